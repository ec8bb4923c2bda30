{% test adds_up(model, total, parts) %}
select {{ total }}
from {{ model }}
where {{ total }} <> {{ parts | join(' + ') }}
{% endtest %}
