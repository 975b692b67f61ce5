"""The OpenAPI document of the API. It writes `openapi.json`, and is not deployed."""
