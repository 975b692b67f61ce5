"""The HTTPS API: parameters, responses, and the OpenAPI document."""
