# dwell's queries and columns for Security Onion's console. dwell-soc-queries writes this file and includes it in
# adv_soc.sls. A list in a pillar replaces Security Onion's, so each run builds it from the list in effect without dwell
# (soc_soc.sls, or the defaults) plus dwell's queries. Changes by updates or administrators thus take effect.
{%- set ours %}{% raw %}@OURS@{% endraw %}{% endset %}
{%- set ours = ours | load_json %}
{%- set root = '@ROOT@' %}
{%- set trees = [] %}
{%- for file in [root ~ '/local/pillar/soc/soc_soc.sls', root ~ '/default/salt/soc/defaults.yaml'] if salt['file.file_exists'](file) %}
{%-   do trees.append(salt['slsutil.renderer'](path=file, default_renderer='jinja|yaml') or {}) %}
{%- endfor %}
{%- set client = {} %}
{%- for where, queries in ours.queries.items() %}
{%-   set found = namespace(list=none) %}
{%-   for tree in trees if found.list is none %}
{%-     set found.list = tree | traverse('soc:config:server:client:' ~ where ~ ':queries', none) %}
{%-   endfor %}
{%-   if found.list is iterable and found.list is not string and found.list is not mapping %}
{%-     set kept = [] %}
{%-     for q in found.list if q is not mapping or not (q.name | default('', true) | string).startswith('dwell - ') %}
{%-       do kept.append(q) %}
{%-     endfor %}
{%-     do client.update({where: {'queries': kept + queries}}) %}
{%-   endif %}
{%- endfor %}
soc: {{ {'config': {'eventFields': ours.eventFields, 'server': {'client': client}}} | json }}
