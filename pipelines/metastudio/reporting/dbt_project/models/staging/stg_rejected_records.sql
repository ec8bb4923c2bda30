select
    cast(project_id as text) as project_id,
    cast(record_hash as text) as record_hash,
    cast(record as text) as record,
    cast(reason as text) as reason,
    cast(request_id as text) as request_id,
    cast(rejected_at as timestamp with time zone) as rejected_at,
    cast(app_user_id as text) as app_user_id
from {{ source('metastudio', 'rejected_records') }}
