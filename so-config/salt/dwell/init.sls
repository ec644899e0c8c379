# dwell as a Salt state of a Security Onion manager. Lies in /opt/so/saltstack/local/salt/dwell/, which soup leaves alone;
# files/ beside it holds dwell (the program), dwell-hunt.service, dwell-hunt.timer, dwell-serve.service, dwell.sysusers and logrotate.
# Carry it out with: salt-call state.apply dwell
{% set dwell = salt['pillar.get']('dwell', {}) %}
# mode: timer (a hunt an hour) or serve (the service with its own schedule); never both.
{% set unit = 'dwell-serve.service' if dwell.get('mode', 'timer') == 'serve' else 'dwell-hunt.timer' %}
{% set other = 'dwell-hunt.timer' if unit == 'dwell-serve.service' else 'dwell-serve.service' %}
{% if dwell.get('enabled', False) %}

dwell_program:
  file.managed:
    - name: /usr/local/bin/dwell
    - source: salt://dwell/files/dwell
    - mode: '0755'

dwell_sysusers:
  file.managed:
    - name: /etc/sysusers.d/dwell.conf
    - source: salt://dwell/files/dwell.sysusers
    - makedirs: True
  cmd.run:
    - name: systemd-sysusers /etc/sysusers.d/dwell.conf
    - onchanges:
      - file: dwell_sysusers

dwell_config:
  file.serialize:
    - name: /etc/dwell/config.yaml
    - dataset_pillar: dwell:config
    - serializer: yaml
    - makedirs: True
    - user: root
    - group: dwell
    - mode: '0640'
    - dir_mode: '0750'
    - require:
      - cmd: dwell_sysusers
      - file: dwell_sysusers

dwell_logrotate:
  file.managed:
    - name: /etc/logrotate.d/dwell
    - source: salt://dwell/files/logrotate

{% for file in ['dwell-hunt.service', 'dwell-hunt.timer', 'dwell-serve.service'] %}
dwell_unit_{{ file }}:
  file.managed:
    - name: /etc/systemd/system/{{ file }}
    - source: salt://dwell/files/{{ file }}
  module.run:
    - name: service.systemctl_reload
    - onchanges:
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
      - file: dwell_config
      - file: dwell_unit_{{ unit }}
      - file: dwell_unit_dwell-hunt.service
      - service: dwell_other
{% if unit == 'dwell-serve.service' %}
    - watch:
      - file: dwell_program
      - file: dwell_config
{% endif %}

{% else %}

{% for file in ['dwell-hunt.timer', 'dwell-serve.service'] %}
dwell_stopped_{{ file }}:
  service.dead:
    - name: '{{ file }}'
    - enable: False
{% endfor %}

{% endif %}
