"""Work queue, shared readers, reconcilers and the kopf handlers that feed them."""
