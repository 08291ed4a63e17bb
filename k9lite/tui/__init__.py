"""The full-screen app: screens, widgets, views. A client of the API only."""
