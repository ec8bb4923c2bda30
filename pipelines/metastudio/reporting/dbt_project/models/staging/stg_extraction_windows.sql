select
    cast(run_id as text) as run_id,
    cast("window" as bigint) as window_number,
    cast(project_id as text) as project_id,
    cast(app_user_id as text) as app_user_id,
    cast(mode as text) as mode,
    cast(since as timestamp with time zone) as since,
    cast(until as timestamp with time zone) as until,
    cast("count" as bigint) as jobs_expected,
    cast(rows_read as bigint) as jobs_read,
    cast(requests as bigint) as requests,
    cast(retries as bigint) as retries,
    cast(throttled as bigint) as throttled,
    coalesce(complete, false) as is_complete,
    cast(started_at as timestamp with time zone) as started_at,
    cast(finished_at as timestamp with time zone) as finished_at
from {{ source('metastudio', 'extraction_windows') }}
