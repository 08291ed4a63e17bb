"""The commands: parse, call the client, print."""
