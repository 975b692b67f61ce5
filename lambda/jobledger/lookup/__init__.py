"""The look-up behind the `Custom::ComprehendMedicalJob` resource."""
