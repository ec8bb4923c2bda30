-- The server's time at the end of each tenant's last run.
SELECT as_of
FROM {sync_health}
WHERE {tenants}
