"""The objects of both kinds as the API server shows them, and who is to be visited because of a change."""
