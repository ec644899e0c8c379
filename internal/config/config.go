// Package config resolves settings: flags override the environment, which overrides the file, which overrides defaults.
// Each value has its origin.
//
// One table ([Keys]) has every key with its default and documentation; the reference page, the sample file and the
// environment variables come from it. Secrets come from the environment, a file or a systemd credential, never from
// flags, and are masked wherever settings are shown.
package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Config holds all settings, decoded and validated.
type Config struct {
	Elasticsearch Elasticsearch `mapstructure:"elasticsearch"`
	Query         Query         `mapstructure:"query"`
	Hunt          Hunt          `mapstructure:"hunt"`
	Alerts        Alerts        `mapstructure:"alerts"`
	State         State         `mapstructure:"state"`
	History       History       `mapstructure:"history"`
	Serve         Serve         `mapstructure:"serve"`
	Kibana        Kibana        `mapstructure:"kibana"`
	Links         Links         `mapstructure:"links"`
	Evidence      Evidence      `mapstructure:"evidence"`
	Geo           Geo           `mapstructure:"geo"`
	// Weights of the modifiers of the final score, by name; complete.
	Weights map[string]float64 `mapstructure:"weights"`
}

// Elasticsearch is how to reach the cluster, and with which credentials.
type Elasticsearch struct {
	Addresses    []string      `mapstructure:"addresses"`
	CAFile       string        `mapstructure:"ca_file"`
	Insecure     bool          `mapstructure:"insecure"`
	APIKey       string        `mapstructure:"api_key"`
	APIKeyFile   string        `mapstructure:"api_key_file"`
	Username     string        `mapstructure:"username"`
	Password     string        `mapstructure:"password"`
	PasswordFile string        `mapstructure:"password_file"`
	Timeout      time.Duration `mapstructure:"timeout"`
	Retries      int           `mapstructure:"retries"`
	Patience     time.Duration `mapstructure:"patience"`
}

// Query is how to read.
type Query struct {
	Index          string        `mapstructure:"index"`
	SliceDocuments int           `mapstructure:"slice_documents"`
	Concurrency    int           `mapstructure:"concurrency"`
	Settle         time.Duration `mapstructure:"settle"`
}

// Hunt is what to look for.
type Hunt struct {
	Internal []netip.Prefix `mapstructure:"internal"`
	// Resolvers, TimeServers and Proxies are servers that the site declares.
	Resolvers   []netip.Prefix `mapstructure:"resolvers"`
	TimeServers []netip.Prefix `mapstructure:"time_servers"`
	Proxies     []netip.Prefix `mapstructure:"proxies"`
	Direction   string         `mapstructure:"direction"`
	Indicators  []string       `mapstructure:"indicators"`
	Since       time.Duration  `mapstructure:"since"`
	LookBack    time.Duration  `mapstructure:"look_back"`
	MinScore    float64        `mapstructure:"min_score"`
	Profile     string         `mapstructure:"profile"`
	Safelist    string         `mapstructure:"safelist"`
	Memory      Size           `mapstructure:"memory"`
	Selftest    bool           `mapstructure:"selftest"`
	BySensor    bool           `mapstructure:"by_sensor"`
}

// Alerts selects the stored findings that Security Onion's Alerts shows.
type Alerts struct {
	Enabled  bool          `mapstructure:"enabled"`
	Severity string        `mapstructure:"severity"`
	Again    time.Duration `mapstructure:"again"`
	PerHunt  int           `mapstructure:"per_hunt"`
	PerHost  int           `mapstructure:"per_host"`
	// Webhook and Syslog are where alerts also go, besides the cluster.
	Webhook          string `mapstructure:"webhook"`
	WebhookToken     string `mapstructure:"webhook_token"`
	WebhookTokenFile string `mapstructure:"webhook_token_file"`
	Syslog           string `mapstructure:"syslog"`
	CAFile           string `mapstructure:"ca_file"`
}

// State is where dwell keeps data between runs.
type State struct {
	Dir        string `mapstructure:"dir"`
	SpoolBytes int64  `mapstructure:"spool_bytes"`
}

// History limits what is kept of the data read.
type History struct {
	Keep time.Duration `mapstructure:"keep"`
	Size Size          `mapstructure:"size"`
}

// Serve is when to hunt, and where to serve health and metrics.
type Serve struct {
	Schedule string        `mapstructure:"schedule"`
	Window   time.Duration `mapstructure:"window"`
	CatchUp  int           `mapstructure:"catch_up"`
	NoData   time.Duration `mapstructure:"no_data"`
	Listen   string        `mapstructure:"listen"`
}

// Kibana is where the dashboards go.
type Kibana struct {
	URL    string `mapstructure:"url"`
	CAFile string `mapstructure:"ca_file"`
}

// Links is where findings' links point.
type Links struct {
	BaseURL string `mapstructure:"base_url"`
}

// Key documents one setting.
type Key struct {
	// Name is the dotted name in the file. The environment variable is DWELL_ and the name in capitals with
	// underscores.
	Name string
	// Default is the value if none is set.
	Default any
	// About documents the setting, with units, in one or two sentences.
	About string
	// Secret values are masked, and rejected as flags.
	Secret bool
}

// Keys lists every setting, in the order of the documentation.
func Keys() []Key { return append(append(baseKeys(), evidenceKeys()...), weightKeys()...) }

func baseKeys() []Key {
	return []Key{
		{Name: "elasticsearch.addresses", Default: []string{}, About: "URLs of the cluster's nodes, https://host:9200. Use the host name or address that stands in the server's certificate; on Security Onion that is the manager's host name, never localhost."},
		{Name: "elasticsearch.ca_file", Default: "", About: "PEM file with the certificate authority that signed the cluster's certificate. Security Onion: /etc/pki/ca.crt on the manager. Empty: the system's authorities."},
		{Name: "elasticsearch.insecure", Default: false, About: "Do not verify the server's certificate. Anyone between you and the cluster can then read the key; each run warns."},
		{Name: "elasticsearch.api_key", Default: "", About: "API key, as Elasticsearch prints it under \"encoded\". Better from api_key_file or the environment than from the configuration file.", Secret: true},
		{Name: "elasticsearch.api_key_file", Default: "", About: "File that holds the API key. Under systemd, LoadCredential=elasticsearch.api_key:PATH needs no setting here."},
		{Name: "elasticsearch.username", Default: "", About: "User name, where there is no API key."},
		{Name: "elasticsearch.password", Default: "", About: "That user's password. Better from password_file or the environment.", Secret: true},
		{Name: "elasticsearch.password_file", Default: "", About: "File that holds the password. Under systemd, LoadCredential=elasticsearch.password:PATH needs no setting here."},
		{Name: "elasticsearch.timeout", Default: "60s", About: "How long one request may take before it is given up and, where that is safe, tried again smaller."},
		{Name: "elasticsearch.retries", Default: 4, About: "How often a request that met a passing fault (busy, restarting, an answer cut or damaged) is sent again at least. 0: never."},
		{Name: "elasticsearch.patience", Default: "90s", About: "How long hunts go on sending a request again, beyond retries, while the cluster is away: longer than a node's restart. `dwell serve` takes ten minutes at least."},
		{Name: "query.index", Default: "auto", About: "Where Zeek's connections are. auto: logs-zeek-so and logs-import-so, over cross-cluster names where the cluster has remotes. Otherwise a comma-separated list of names or patterns."},
		{Name: "query.slice_documents", Default: 20000, About: "How many connections one request should bring. At most 65,000, which is what Elasticsearch gives in one page."},
		{Name: "query.concurrency", Default: 2, About: "How many requests are under way at once. More is faster and less kind to the cluster; the ceiling is 8."},
		{Name: "query.settle", Default: "5m", About: "How long the cluster is given to index what happened: without --to, a window ends this long before now."},
		{Name: "hunt.internal", Default: []string{}, About: "Internal networks (CIDR). Given, they replace the default: RFC 1918, fc00::/7 and 100.64.0.0/10."},
		{Name: "hunt.resolvers", Default: []string{}, About: "Resolvers of the site, internal or not (addresses as CIDR): what hosts ask them is explained, and an internal one asks others in the name of hosts. Internal ones that three hosts ask are recognized without it."},
		{Name: "hunt.time_servers", Default: []string{}, About: "Time servers of the site (CIDR): what hosts ask them on UDP port 123 is explained."},
		{Name: "hunt.proxies", Default: []string{}, About: "Forward proxies of the site, internal or not (CIDR): a connection to one is explained, what is asked of it is judged as ever. Internal ones that three hosts use are recognized without it."},
		{Name: "hunt.direction", Default: "outbound", About: "outbound, inbound or both. Internal-to-internal is never read."},
		{Name: "hunt.indicators", Default: []string{"beacon", "long", "strobe", "dns"}, About: "What to look for: beacon (and presence with it), long_connection (or long), strobe, dns_tunnel (or dns), presence alone; what is on an indicator list (listed) and pairs with three independent protocol oddities (anomaly) are always found."},
		{Name: "hunt.since", Default: "0s", About: "How far back the window reaches when --from is not given. 0s: 24 h out of Elasticsearch, everything out of files."},
		{Name: "hunt.look_back", Default: "31d", About: "How long before a window connections are looked for that reach into it: one that lasts for days is found by each hunt from the arrival of its record on. 0s: none."},
		{Name: "hunt.min_score", Default: 0.4, About: "Findings below this score are not printed. 0 prints every pair that was scored."},
		{Name: "hunt.profile", Default: "dwell", About: "Which score ranks the findings: dwell is the calibrated one, rita ranks as RITA v5 does."},
		{Name: "hunt.safelist", Default: "", About: "File with the safelist (docs/safelist.md). Empty: safelist.yaml beside the configuration file, if it is there."},
		{Name: "hunt.memory", Default: "2GiB", About: "How much memory the connections of a hunt may take, about, as in 512MiB or 4GiB (at least 64MiB). What is beyond goes to sorted files in the state directory until the hunt ends; the findings are the same. It bounds these, not the process: findings, names' texts and garbage come on top."},
		{Name: "hunt.selftest", Default: false, About: "Measure each hunt's sensitivity: put some 400 made-up beacons into its hours and traffic, in memory, and tell in the statement how many would have been found (docs/detection.md)."},
		{Name: "hunt.by_sensor", Default: false, About: "Hunt in what each sensor (observer.name; of files, each path) saw on its own, for sites whose internal addresses overlap: the same address at two sensors is then two hosts."},
		{Name: "alerts.enabled", Default: true, About: "Let hunts that are stored raise alerts in logs-dwell.alert-so, which Security Onion's Alerts shows."},
		{Name: "alerts.severity", Default: "high", About: "Lowest severity that raises an alert: low, medium, high or critical."},
		{Name: "alerts.again", Default: "7d", About: "How long an unchanged finding raises no further alert."},
		{Name: "alerts.per_hunt", Default: 100, About: "Maximum number of alerts per hunt, strongest first; one summary alert counts the rest."},
		{Name: "alerts.per_host", Default: 10, About: "How many findings of one internal host become alerts within a day at most: the strongest; one alert more speaks for the rest."},
		{Name: "alerts.webhook", Default: "", About: "Address that gets a POST of JSON for the alerts a hunt raised (docs/output.md), https://host/path. It is masked like a secret, since it may hold one. Empty: none.", Secret: true},
		{Name: "alerts.webhook_token", Default: "", About: "Sent to the webhook as Authorization: Bearer. Better from webhook_token_file or the environment.", Secret: true},
		{Name: "alerts.webhook_token_file", Default: "", About: "File with that token."},
		{Name: "alerts.syslog", Default: "", About: "Syslog server that gets a message (RFC 5424) for each alert: tls://host:6514, tcp://host:601 or udp://host:514. Empty: none."},
		{Name: "alerts.ca_file", Default: "", About: "PEM file with the authority that signed the webhook's and the syslog server's certificate. Empty: the system's authorities."},
		{Name: "state.dir", Default: "", About: "Directory for state that outlives a run: hunts waiting for upload, first-seen data, history, and the lock. Empty: systemd's state directory, /var/lib/dwell for root, else dwell in the user's state directory."},
		{Name: "state.spool_bytes", Default: 256 << 20, About: "Maximum bytes of hunts that wait on this host for upload."},
		{Name: "history.keep", Default: "30d", About: "How long records are kept in the state directory, by start time (docs/history.md)."},
		{Name: "history.size", Default: "20GiB", About: "Maximum size of the kept records; the oldest are dropped first, and the hunt reports it."},
		{Name: "serve.schedule", Default: "1h", About: "When `dwell serve` hunts: an interval of whole minutes (1h: at every full hour UTC) or five cron fields, UTC (\"15 */2 * * *\")."},
		{Name: "serve.window", Default: "24h", About: "How long a window `dwell serve` looks at. Windows end at a full hour UTC, at least query.settle ago."},
		{Name: "serve.catch_up", Default: 24, About: "Maximum number of missed windows that `dwell serve` catches up on after downtime, newest first; older ones are reported and skipped."},
		{Name: "serve.no_data", Default: "6h", About: "How old the newest connection in the cluster may be before `dwell serve` is not ready, since nothing arrives any more. 0: as old as it likes."},
		{Name: "serve.listen", Default: "127.0.0.1:9274", About: "Where `dwell serve` answers /healthz, /readyz and /metrics. Empty: nowhere. There is no password: leave it on loopback."},
		{Name: "kibana.url", Default: "", About: "Kibana's address with its base path, for `dwell install`: http://localhost:5601 on a Security Onion manager. Empty: dashboards are left out."},
		{Name: "kibana.ca_file", Default: "", About: "PEM file with the authority that signed Kibana's certificate. Empty: the system's authorities."},
		{Name: "links.base_url", Default: "", About: "Address of Security Onion's console as analysts' browsers reach it, https://manager: the links of findings to Hunt and to Kibana (below /kibana) then work from anywhere. Empty: links are relative to it, and Kibana cannot follow those to Hunt."},
	}
}

// Env returns the key's environment variable.
func (k Key) Env() string { return EnvPrefix + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_")) }

// validate returns every problem, each naming its key.
func (c *Config) validate() []error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for _, a := range c.Elasticsearch.Addresses {
		if err := checkAddress(a); err != nil {
			bad("elasticsearch.addresses", "%v", err)
		}
	}
	if c.Elasticsearch.Timeout <= 0 {
		bad("elasticsearch.timeout", "must be more than zero")
	}
	if c.Elasticsearch.Retries < 0 || c.Elasticsearch.Retries > 20 {
		bad("elasticsearch.retries", "%d is not between 0 and 20", c.Elasticsearch.Retries)
	}
	if c.Elasticsearch.Patience < 0 {
		bad("elasticsearch.patience", "must not be negative")
	}
	if n := c.Query.SliceDocuments; n < 100 || n > 65_000 {
		bad("query.slice_documents", "%d is not between 100 and 65000", n)
	}
	if n := c.Query.Concurrency; n < 1 || n > 8 {
		bad("query.concurrency", "%d is not between 1 and 8", n)
	}
	if c.Query.Settle < 0 {
		bad("query.settle", "must not be negative")
	}
	if c.Hunt.Since < 0 {
		bad("hunt.since", "must not be negative")
	}
	if b := c.Hunt.LookBack; b < 0 || b > 366*24*time.Hour {
		bad("hunt.look_back", "%s is not between 0 and 366d", b)
	}
	if c.Hunt.MinScore < 0 || c.Hunt.MinScore > 1 {
		bad("hunt.min_score", "%v is not between 0 and 1", c.Hunt.MinScore)
	}
	if c.Hunt.Memory < 64<<20 {
		bad("hunt.memory", "%s is less than 64MiB", c.Hunt.Memory)
	}
	if c.Alerts.Again <= 0 {
		bad("alerts.again", "must be more than zero")
	}
	if c.History.Keep < time.Hour {
		bad("history.keep", "%s is less than an hour", c.History.Keep)
	}
	if c.History.Size < 16<<20 {
		bad("history.size", "%s is less than 16MiB", c.History.Size)
	}
	if c.Alerts.PerHunt < 1 {
		bad("alerts.per_hunt", "%d is less than 1", c.Alerts.PerHunt)
	}
	if c.Alerts.PerHost < 1 {
		bad("alerts.per_host", "%d is less than 1", c.Alerts.PerHost)
	}
	if c.State.SpoolBytes < 1<<20 {
		bad("state.spool_bytes", "%d is less than a mebibyte", c.State.SpoolBytes)
	}
	if w := c.Serve.Window; w < time.Hour || w > 31*24*time.Hour || w%time.Hour != 0 {
		bad("serve.window", "%s is not a whole number of hours between 1h and 31d", w)
	}
	if c.Serve.NoData < 0 {
		bad("serve.no_data", "must not be negative")
	}
	if n := c.Serve.CatchUp; n < 0 || n > 1000 {
		bad("serve.catch_up", "%d is not between 0 and 1000", n)
	}
	if u := c.Kibana.URL; u != "" {
		if err := checkAddress(u); err != nil {
			bad("kibana.url", "%v", err)
		}
	}
	errs = append(errs, c.validateWeights()...)
	if u, err := url.Parse(c.Links.BaseURL); c.Links.BaseURL != "" &&
		(err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		bad("links.base_url", "links cannot begin with this: want the address of the console alone, https://manager")
	}
	return append(errs, c.validateWords()...)
}

// validateWords checks the settings that accept a fixed set of words.
func (c *Config) validateWords() []error {
	var errs []error
	oneOf := func(key, value string, words ...string) {
		for _, w := range words {
			if value == w {
				return
			}
		}
		errs = append(errs, fmt.Errorf("%s: %q is not one of %s", key, value, strings.Join(words, ", ")))
	}
	oneOf("hunt.direction", c.Hunt.Direction, "outbound", "inbound", "both")
	oneOf("alerts.severity", c.Alerts.Severity, "low", "medium", "high", "critical")
	oneOf("hunt.profile", c.Hunt.Profile, "dwell", "rita")
	for _, i := range c.Hunt.Indicators {
		oneOf("hunt.indicators", i, "beacon", "long_connection", "long", "strobe", "dns_tunnel", "dns", "presence", "listed", "anomaly")
	}
	return errs
}
