-- How fresh and how complete the tables of each tenant are.
SELECT *
FROM {sync_health}
WHERE {tenants}
ORDER BY tenant
