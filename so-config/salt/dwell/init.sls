# dwell as a Salt state of a Security Onion manager. Lies in /opt/so/saltstack/local/salt/dwell/, which soup leaves alone;
# files/ beside it holds dwell (the program), dwell-hunt.service, dwell-hunt.timer, dwell.sysusers and logrotate.
# Carry it out with: salt-call state.apply dwell
{% set dwell = salt['pillar.get']('dwell', {}) %}
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

{% for unit in ['dwell-hunt.service', 'dwell-hunt.timer'] %}
dwell_unit_{{ unit }}:
  file.managed:
    - name: /etc/systemd/system/{{ unit }}
    - source: salt://dwell/files/{{ unit }}
  module.run:
    - name: service.systemctl_reload
    - onchanges:
      - file: dwell_unit_{{ unit }}
{% endfor %}

dwell_timer:
  service.running:
    - name: dwell-hunt.timer
    - enable: True
    - require:
      - file: dwell_config
      - file: dwell_unit_dwell-hunt.timer
      - file: dwell_unit_dwell-hunt.service

{% else %}

dwell_timer:
  service.dead:
    - name: dwell-hunt.timer
    - enable: False

{% endif %}
