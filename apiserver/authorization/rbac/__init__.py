"""Role-based access control: what a rule allows, the stored roles, the default ones."""
