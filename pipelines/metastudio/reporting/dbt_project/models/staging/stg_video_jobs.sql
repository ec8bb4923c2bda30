select
    cast(project_id as text) as project_id,
    cast(job_id as text) as job_id,
    cast(region as text) as region,
    {{ one_state('state') }} as state,
    {{ one_job_type('job_type') }} as job_type,
    cast(create_time as timestamp with time zone) as created_at,
    cast(start_time as timestamp with time zone) as started_at,
    cast(end_time as timestamp with time zone) as finished_at,
    cast(lastupdate_time as timestamp with time zone) as updated_at,
    cast(deleted_at as timestamp with time zone) as deleted_at,
    cast(duration as double precision) as video_seconds,
    nullif(output_asset_config__asset_id, '') as asset_id,
    nullif(output_asset_config__asset_name, '') as asset_name,
    nullif(output_asset_config__cover_url, '') as cover_url,
    nullif(output_asset_config__preview_video_url, '') as preview_video_url,
    nullif(error_info__error_code, '') as error_code,
    nullif(error_info__error_msg, '') as error_message
from {{ source('metastudio', 'digital_human_videos') }}
