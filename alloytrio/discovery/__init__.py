"""Finding the containers whose logs are read."""
