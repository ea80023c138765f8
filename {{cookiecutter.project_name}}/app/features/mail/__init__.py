"""Mail: written to an outbox in the transaction that causes it, sent later by whichever process comes first."""
