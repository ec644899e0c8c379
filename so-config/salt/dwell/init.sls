# dwell as a Salt state for a Security Onion manager. Install it in /opt/so/saltstack/local/salt/dwell/, which soup does
# not touch. settings.yaml configures it; files/ has the program and the units (dwell install --print writes
# everything). Apply it with: salt-call state.apply dwell queue=True
{% import_yaml 'dwell/settings.yaml' as settings %}
{% set dwell = settings.dwell %}
# mode: timer (hourly hunts) or serve (a service with its own schedule), never both.
{% set unit = 'dwell-serve.service' if dwell.get('mode', 'timer') == 'serve' else 'dwell-hunt.timer' %}
{% set other = 'dwell-hunt.timer' if unit == 'dwell-serve.service' else 'dwell-serve.service' %}
{% set units = ['dwell-hunt.service', 'dwell-hunt.timer', 'dwell-serve.service'] %}
{% if dwell.get('enabled', False) %}

dwell_program:
  file.managed:
    - name: /usr/sbin/dwell
    - source: salt://dwell/files/dwell
    - mode: '0755'

dwell_link:
  file.symlink:
    - name: /usr/sbin/so-dwell
    - target: dwell

dwell_sysusers:
  file.managed:
    - name: /etc/sysusers.d/dwell.conf
    - source: salt://dwell/files/dwell.sysusers
    - makedirs: True
  cmd.run:
    - name: systemd-sysusers /etc/sysusers.d/dwell.conf
    - unless: getent passwd dwell
    - require:
      - file: dwell_sysusers

# Root owns the directory and the files: the service can read its configuration and key but not change them.
dwell_directory:
  file.directory:
    - name: /etc/dwell
    - user: root
    - group: dwell
    - mode: '0750'
    - require:
      - cmd: dwell_sysusers

dwell_config:
  file.serialize:
    - name: /etc/dwell/config.yaml
    - dataset: {{ dwell.config | json }}
    - serializer: yaml
    - user: root
    - group: dwell
    - mode: '0640'
    - require:
      - file: dwell_directory

# Nothing starts without a key. Create it with: dwell install --create-key /etc/dwell/api_key
dwell_key:
  file.exists:
    - name: /etc/dwell/api_key

dwell_key_owner:
  file.managed:
    - name: /etc/dwell/api_key
    - replace: False
    - user: root
    - group: dwell
    - mode: '0640'
    - require:
      - file: dwell_key
      - file: dwell_directory

{% for file in units %}
dwell_unit_{{ file }}:
  file.managed:
    - name: /etc/systemd/system/{{ file }}
    - source: salt://dwell/files/{{ file }}
{% endfor %}

dwell_reload:
  module.run:
    - service.systemctl_reload: []
    - onchanges:
{% for file in units %}
      - file: dwell_unit_{{ file }}
{% endfor %}

dwell_other:
  service.dead:
    - name: '{{ other }}'
    - enable: False

dwell_runs:
  service.running:
    - name: '{{ unit }}'
    - enable: True
    - require:
      - file: dwell_program
      - file: dwell_config
      - file: dwell_key_owner
      - module: dwell_reload
      - service: dwell_other
{% if unit == 'dwell-serve.service' %}
    - watch:
      - file: dwell_program
      - file: dwell_unit_dwell-serve.service
{% endif %}

{% else %}

{% for file in ['dwell-hunt.timer', 'dwell-serve.service'] %}
dwell_stopped_{{ file }}:
  service.dead:
    - name: '{{ file }}'
    - enable: False
{% endfor %}

{% endif %}
