"""The objects of both kinds as the API server shows them, and who is to be visited because of a change.

kopf watches, one run for each kind in each namespace, supervised; full lists open the gates and drop what
vanished unseen; the store keeps what both bring, the dispatcher tells the queue.
"""
