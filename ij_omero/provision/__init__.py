"""What this machine needs and may lack (Java, jars, Ice, PostgreSQL), brought into the user's cache, verified."""
