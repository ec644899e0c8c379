# Example pillar for the Salt state dwell. Goes to /opt/so/saltstack/local/pillar/minions/adv_<manager>.sls (append it
# there), which soup leaves alone. What stands under config becomes /etc/dwell/config.yaml; no secrets here: the API key
# lies in /etc/dwell/api_key (dwell install --create-key).
dwell:
  enabled: True
  # timer: a hunt every hour. serve: dwell's own schedule, catching up, metrics.
  mode: timer
  config:
    elasticsearch:
      # The name that stands in the certificate, never localhost.
      addresses: ['https://manager:9200']
      ca_file: /etc/pki/ca.crt
    hunt:
      internal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']
