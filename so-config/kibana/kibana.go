// Package kibana generates dwell's Kibana objects from one table of panels ([Dashboards]): the data view, saved
// searches and dashboards in so-config/kibana/dwell.ndjson.
//
// Panels are Lens, by value, on one data view with a fixed id that the file contains. The format is that of Kibana 8.7
// and 8.8, which later versions read, including 8.14, the oldest that Security Onion supports. The objects are checked
// offline; importing them into a Kibana is not tested.
//
// Counts are by finding id, so a finding that several hunts found counts once. If its severity changed in the time
// range, it counts once per severity.
package kibana

// DataView is the id of the data view, Pattern its index pattern; RawView and RawPattern are those for Zeek's records.
const (
	DataView   = "dwell"
	Pattern    = "logs-dwell.*-so"
	RawView    = "dwell-zeek"
	RawPattern = "logs-zeek-so,logs-import-so,*:logs-zeek-so"
)

// Dashboard is one dashboard.
type Dashboard struct {
	ID, Title, About string
	// Days is the default time range.
	Days   int
	Panels []Panel
}

// Kind is the type of a panel.
type Kind string

// The kinds.
const (
	Metric Kind = "metric"
	Bars   Kind = "bars"
	Lines  Kind = "lines"
	Donut  Kind = "donut"
	Table  Kind = "table"
	Text   Kind = "text"
	// Found shows the documents of the saved search Panel.Search.
	Found Kind = "found"
)

// Panel is one panel. X, Y, W and H are in Kibana's 48-column grid.
type Panel struct {
	Title      string
	Kind       Kind
	X, Y, W, H int
	// Dataset is event.dataset of the documents: dwell.finding, dwell.alert, dwell.hunt or dwell.disposition.
	Dataset string
	// Where are additional conditions.
	Where []Condition
	// By are the groups, outermost first; Values are computed per group.
	By     []Group
	Values []Value
	// Markdown is a Text panel's content, Search the id of a Found panel's saved search.
	Markdown, Search string
	// Raw panels show Zeek's records instead of dwell's.
	Raw bool
	// Drill is the dashboard that a click opens, filtered by the clicked value.
	Drill string
}

// Condition requires a value of a field, or for numbers a minimum (AtLeast).
type Condition struct {
	Field   string
	Value   string
	AtLeast bool
	Not     bool
}

// Group splits by the Size most frequent values of a field, or by time if Size is 0.
type Group struct {
	Field string
	Size  int
	Label string
}

// Op is what is computed per group.
type Op string

// The operations, by Lens's names.
const (
	Unique  Op = "unique_count"
	Max     Op = "max"
	Average Op = "average"
	Sum     Op = "sum"
	Min     Op = "min"
	Median  Op = "median"
	// Count is the number of documents with the field.
	Count Op = "count"
	// Last is the value in the newest document, for fields of any type.
	Last Op = "last_value"
)

// Value is one number per group.
type Value struct {
	Op    Op
	Field string
	Label string
}

// findings counts findings by id, because overlapping hunts store several documents of one.
func findings() Value { return Value{Unique, "dwell.finding_id", "Findings"} }

// entries counts campaigns and single findings, by subject: a finding by name in one hunt and by address in another
// counts once.
func entries() Value { return Value{Unique, "dwell.subject", "Lines"} }

func latest(field, label string) Value { return Value{Last, field, label} }

func dwellTime() Value { return Value{Max, "dwell.dwell_time.seconds", "Dwell time"} }

func hosts() Value { return Value{Unique, "dwell.internal_ip", "Hosts"} }

func score() Value { return Value{Max, "dwell.score", "Score"} }

// external leaves out private and multicast destinations.
func external() (out []Condition) {
	for _, network := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4", "255.255.255.255", "fc00::/7", "fe80::/10", "ff00::/8"} {
		out = append(out, Condition{Field: "destination.ip", Value: network, Not: true})
	}
	return out
}

func top(field, label string, size int) Group { return Group{field, size, label} }

func byTime() Group { return Group{Field: "@timestamp", Label: "Time"} }

const (
	finding  = "dwell.finding"
	decision = "dwell.disposition"
	alert    = "dwell.alert"
	hunts    = "dwell.hunt"
)

// Dashboards is the table of panels.
func Dashboards() []Dashboard {
	return []Dashboard{overview(), pair(), host(), dispositions(), health()}
}

func overview() Dashboard {
	looked := []Condition{{Field: "dwell.safelisted", Value: "true", Not: true}}
	fresh := append([]Condition{{Field: "dwell.evidence.first_seen.days", Value: "0"}}, looked...)
	severe := append([]Condition{{Field: "event.severity", Value: "3", AtLeast: true}}, looked...)
	return Dashboard{ID: "dwell-overview", Title: "dwell - Overview", About: "Possible C2 traffic: beacons, long connections, strobes and DNS tunnels. What to look at first.", Days: 7, Panels: []Panel{
		{Title: "How to read this", Kind: Text, W: 48, H: 5, Markdown: "A **line** is a campaign (several internal hosts that do the same), or an internal host that keeps connecting to one destination. It counts once, however many hunts and hosts saw it. " +
			"Start at the top of the table. Click a line for its history, a source for the host. Safelisted findings are left out here and shown under *Dispositions*."},
		{Title: "Lines", Kind: Metric, Y: 5, W: 8, H: 7, Dataset: finding, Where: looked, Values: []Value{entries()}},
		{Title: "High or critical", Kind: Metric, X: 8, Y: 5, W: 8, H: 7, Dataset: finding, Where: severe, Values: []Value{entries()}},
		{Title: "New destinations", Kind: Metric, X: 16, Y: 5, W: 8, H: 7, Dataset: finding, Where: fresh, Values: []Value{entries()}},
		{Title: "Alerts raised", Kind: Metric, X: 24, Y: 5, W: 8, H: 7, Dataset: alert, Values: []Value{entries()}},
		{Title: "Internal hosts", Kind: Metric, X: 32, Y: 5, W: 8, H: 7, Dataset: finding, Where: looked, Values: []Value{hosts()}},
		{Title: "Longest dwell time", Kind: Metric, X: 40, Y: 5, W: 8, H: 7, Dataset: finding, Where: looked, Values: []Value{dwellTime()}},
		{Title: "Look at these first", Kind: Table, Y: 12, W: 48, H: 19, Dataset: finding, Where: looked, Drill: "dwell-pair", By: []Group{top("dwell.subject", "Campaign or pair", 30)},
			Values: []Value{{Max, "dwell.score", "Top score"}, latest("event.severity_label", "Severity now"), hosts(), latest("dwell.evidence.host.names", "Host name"), {Average, "beacon.period", "Interval"}, latest("beacon.jitter", "Jitter"),
				latest("dwell.evidence.prevalence.hosts", "Prevalence"), {Min, "event.start", "First seen"}, dwellTime(), latest("dwell.disposition", "Disposition")}},
		{Title: "New alerts", Kind: Bars, Y: 31, W: 24, H: 12, Dataset: alert, By: []Group{byTime(), top("event.severity_label", "Severity", 4)}, Values: []Value{entries()}},
		{Title: "Dwell time over hunts", Kind: Lines, X: 24, Y: 31, W: 24, H: 12, Dataset: finding, Where: looked, By: []Group{byTime()}, Values: []Value{{Median, "dwell.dwell_time.seconds", "Median"}, {Max, "dwell.dwell_time.seconds", "Longest"}}},
		{Title: "Strongest score over time", Kind: Lines, Y: 43, W: 24, H: 12, Dataset: finding, Where: looked, By: []Group{byTime(), top("event.severity_label", "Severity", 4)}, Values: []Value{score()}},
		{Title: "New today: destination first seen on the last day of the hunt", Kind: Bars, X: 24, Y: 43, W: 24, H: 12, Dataset: finding, Where: fresh, By: []Group{byTime(), top("event.severity_label", "Severity", 4)}, Values: []Value{entries()}},
		{Title: "Top sources", Kind: Table, Y: 55, W: 24, H: 14, Dataset: finding, Where: looked, Drill: "dwell-host", By: []Group{top("source.ip", "Source", 15)}, Values: []Value{entries(), latest("dwell.evidence.host.names", "Host name"), score(), dwellTime()}},
		{Title: "Top destinations", Kind: Table, X: 24, Y: 55, W: 24, H: 14, Dataset: finding, Where: looked, Drill: "dwell-pair", By: []Group{top("destination.ip", "Destination", 15)}, Values: []Value{entries(), hosts(), score()}},
		{Title: "Top names", Kind: Table, Y: 69, W: 24, H: 14, Dataset: finding, Where: looked, Drill: "dwell-pair", By: []Group{top("destination.domain", "Name", 15)}, Values: []Value{entries(), hosts(), score()}},
		{Title: "Top ports", Kind: Table, X: 24, Y: 69, W: 24, H: 14, Dataset: finding, Where: looked, By: []Group{top("destination.port", "Port", 10), top("network.protocol", "Protocol", 3)}, Values: []Value{entries(), hosts(), score()}},
		{Title: "ATT&CK techniques", Kind: Table, Y: 83, W: 24, H: 12, Dataset: finding, Where: looked, By: []Group{top("threat.technique.id", "Technique", 15)}, Values: []Value{entries(), hosts(), score()}},
		{Title: "Indicators", Kind: Table, X: 24, Y: 83, W: 24, H: 12, Dataset: finding, Where: looked, By: []Group{top("dwell.indicators", "Indicator", 6)}, Values: []Value{entries(), hosts(), score()}},
	}}
}

func pair() Dashboard {
	return Dashboard{ID: "dwell-pair", Title: "dwell - Pair", About: "One campaign or pair over all hunts: score breakdown, interval, bytes.", Days: 30, Panels: []Panel{
		{Title: "How to read this", Kind: Text, W: 48, H: 4, Markdown: "Filter by `dwell.subject`, `dwell.pair` or `destination.ip` (a click on the overview does). The *score breakdown* shows which indicator carries the score; *RITA* are RITA v5's numbers for the two addresses. At the bottom are each hunt's links to the raw connections: set `links.base_url` in dwell, or the links to Hunt do not open from here."},
		{Title: "Score", Kind: Metric, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{score()}},
		{Title: "Interval", Kind: Metric, X: 8, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{{Average, "beacon.period", "Interval"}}},
		{Title: "Jitter", Kind: Metric, X: 16, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{{Average, "beacon.jitter", "Jitter"}}},
		{Title: "Dwell time", Kind: Metric, X: 24, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{dwellTime()}},
		{Title: "Prevalence", Kind: Metric, X: 32, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{{Max, "dwell.evidence.prevalence.hosts", "Hosts"}}},
		{Title: "Hunts that saw it", Kind: Metric, X: 40, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{{Unique, "dwell.hunt_id", "Hunts"}}},
		{Title: "Hosts", Kind: Table, Y: 11, W: 24, H: 12, Dataset: finding, Drill: "dwell-host", By: []Group{top("source.ip", "Source", 50)},
			Values: []Value{score(), latest("dwell.evidence.host.names", "Host name"), {Min, "event.start", "First seen"}, dwellTime(), latest("dwell.disposition", "Disposition")}},
		{Title: "Score breakdown", Kind: Lines, X: 24, Y: 11, W: 24, H: 12, Dataset: finding, By: []Group{byTime()},
			Values: []Value{{Max, "dwell.parts.beacon", "Beacon"}, {Max, "dwell.parts.long_connection", "Long connection"}, {Max, "dwell.parts.strobe", "Strobe"}, {Max, "dwell.parts.dns_tunnel", "DNS tunnel"}, {Max, "dwell.parts.presence", "Presence"}}},
		{Title: "Interval over hunts", Kind: Lines, Y: 23, W: 24, H: 12, Dataset: finding, By: []Group{byTime()}, Values: []Value{{Average, "beacon.period", "Interval"}, {Average, "beacon.interval.top", "Most frequent interval"}}},
		{Title: "Bytes over hunts", Kind: Bars, X: 24, Y: 23, W: 24, H: 12, Dataset: finding, By: []Group{byTime()}, Values: []Value{{Max, "client.bytes", "Sent"}, {Max, "server.bytes", "Received"}}},
		{Title: "RITA v5 scores", Kind: Table, Y: 35, W: 24, H: 10, Dataset: finding, By: []Group{top("dwell.pair", "Pair", 10)},
			Values: []Value{{Max, "beacon.rita_score", "RITA"}, {Max, "beacon.ts_score", "Times"}, {Max, "beacon.ds_score", "Sizes"}, {Max, "beacon.duration_score", "Duration"}, {Max, "beacon.historical_score", "Histogram"}}},
		{Title: "Why", Kind: Table, X: 24, Y: 35, W: 24, H: 10, Dataset: finding, By: []Group{top("dwell.reason_codes", "Reason", 15)}, Values: []Value{{Unique, "dwell.hunt_id", "Hunts"}}},
		{Title: "Raw connections", Kind: Found, Y: 45, W: 48, H: 12, Dataset: finding, Search: "dwell-raw"},
	}}
}

func host() Dashboard {
	return Dashboard{ID: "dwell-host", Title: "dwell - Host", About: "One internal host and its external destinations.", Days: 30, Panels: []Panel{
		{Title: "How to read this", Kind: Text, W: 48, H: 4, Markdown: "Filter by `source.ip`. A compromised host rarely has one finding only: look for others that began at the same time. The raw connections are Zeek's own records; add `destination.ip` to the filter for those of one pair."},
		{Title: "Destinations", Kind: Metric, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{entries()}},
		{Title: "Strongest score", Kind: Metric, X: 8, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{score()}},
		{Title: "Longest dwell time", Kind: Metric, X: 16, Y: 4, W: 8, H: 7, Dataset: finding, Values: []Value{dwellTime()}},
		{Title: "Findings over time", Kind: Bars, X: 24, Y: 4, W: 24, H: 12, Dataset: finding, By: []Group{byTime(), top("event.severity_label", "Severity", 4)}, Values: []Value{entries()}},
		{Title: "Which host", Kind: Table, Y: 11, W: 24, H: 5, Dataset: finding, By: []Group{top("source.ip", "Address", 20)},
			Values: []Value{entries(), latest("dwell.evidence.host.names", "Host name"), latest("dwell.evidence.host.users", "User")}},
		{Title: "Raw connections, by external destination", Kind: Bars, Y: 16, W: 48, H: 12, Raw: true, Dataset: "zeek.conn", Where: external(), By: []Group{byTime(), top("destination.ip", "Destination", 8)}, Values: []Value{{Count, "@timestamp", "Connections"}}},
		{Title: "External destinations", Kind: Table, Y: 28, W: 48, H: 14, Dataset: finding, Drill: "dwell-pair", By: []Group{top("dwell.subject", "Campaign, or host and destination", 50), top("rule.name", "Rule", 1)},
			Values: []Value{score(), {Max, "network.connections", "Connections"}, {Max, "client.bytes", "Sent"}, {Max, "server.bytes", "Received"}, {Min, "event.start", "First seen"}, dwellTime(), latest("dwell.disposition", "Disposition")}},
	}}
}

func dispositions() Dashboard {
	return Dashboard{ID: "dwell-dispositions", Title: "dwell - Dispositions", About: "Dispositions of findings, and what each safelist rule matches.", Days: 30, Panels: []Panel{
		{Title: "Findings by disposition", Kind: Donut, W: 16, H: 14, Dataset: finding, By: []Group{top("dwell.disposition", "Disposition", 5)}, Values: []Value{entries()}},
		{Title: "Safelisted or not", Kind: Donut, X: 16, W: 16, H: 14, Dataset: finding, By: []Group{top("dwell.safelisted", "Safelisted", 2)}, Values: []Value{entries()}},
		{Title: "Alerts by severity", Kind: Donut, X: 32, W: 16, H: 14, Dataset: alert, By: []Group{top("event.severity_label", "Severity", 4)}, Values: []Value{entries()}},
		{Title: "Open findings, high and critical", Kind: Table, Y: 14, W: 24, H: 16, Dataset: finding, Drill: "dwell-pair",
			Where: []Condition{{Field: "dwell.disposition", Value: "open"}, {Field: "event.severity", Value: "3", AtLeast: true}, {Field: "dwell.safelisted", Value: "true", Not: true}},
			By:    []Group{top("dwell.subject", "Campaign, or host and destination", 50)}, Values: []Value{score()}},
		{Title: "Findings per safelist rule", Kind: Table, X: 24, Y: 14, W: 24, H: 16, Dataset: finding, Where: []Condition{{Field: "dwell.safelisted", Value: "true"}},
			By: []Group{top("dwell.safelist.name", "Rule", 30)}, Values: []Value{entries(), score()}},
		{Title: "Dispositions", Kind: Bars, Y: 30, W: 16, H: 12, Dataset: decision, By: []Group{byTime(), top("dwell.disposition", "Disposition", 3)}, Values: []Value{findings()}},
		{Title: "Dispositions: who and why", Kind: Table, X: 16, Y: 30, W: 32, H: 12, Dataset: decision,
			By: []Group{top("dwell.pair", "Pair", 30), top("dwell.disposition", "Disposition", 3), top("user.name", "Who", 3), top("dwell.note", "Why", 3)}, Values: []Value{findings()}},
	}}
}

func health() Dashboard {
	return Dashboard{ID: "dwell-health", Title: "dwell - Hunt health", About: "Whether hunts ran, whether they were complete, and how long they took.", Days: 7, Panels: []Panel{
		{Title: "Hunts", Kind: Metric, W: 12, H: 7, Dataset: hunts, Values: []Value{{Unique, "dwell.hunt_id", "Hunts"}}},
		{Title: "Incomplete hunts", Kind: Metric, X: 12, W: 12, H: 7, Dataset: hunts, Where: []Condition{{Field: "dwell.hunt.complete", Value: "false"}}, Values: []Value{{Unique, "dwell.hunt_id", "Hunts"}}},
		{Title: "Newest window ends", Kind: Metric, X: 24, W: 12, H: 7, Dataset: hunts, Values: []Value{{Max, "dwell.window.end", "End"}}},
		{Title: "Count mismatches", Kind: Metric, X: 36, W: 12, H: 7, Dataset: hunts, Values: []Value{{Sum, "dwell.hunt.slices.mismatch", "Slices"}}},
		{Title: "Connections analyzed", Kind: Bars, Y: 7, W: 24, H: 12, Dataset: hunts, By: []Group{byTime()}, Values: []Value{{Max, "dwell.hunt.connections", "Connections"}}},
		{Title: "Seconds per stage", Kind: Bars, X: 24, Y: 7, W: 24, H: 12, Dataset: hunts, By: []Group{byTime()}, Values: []Value{{Max, "dwell.hunt.stages.read", "Read"}, {Max, "dwell.hunt.stages.score", "Score"}, {Max, "dwell.hunt.stages.evidence", "Evidence"}, {Max, "dwell.hunt.stages.write", "Write"}}},
		{Title: "Findings by severity", Kind: Lines, Y: 19, W: 24, H: 12, Dataset: hunts, By: []Group{byTime()}, Values: []Value{{Max, "dwell.hunt.by_severity.critical", "Critical"}, {Max, "dwell.hunt.by_severity.high", "High"}, {Max, "dwell.hunt.by_severity.medium", "Medium"}, {Max, "dwell.hunt.by_severity.low", "Low"}}},
		{Title: "Gaps", Kind: Table, X: 24, Y: 19, W: 24, H: 12, Dataset: hunts, Where: []Condition{{Field: "dwell.hunt.complete", Value: "false"}}, By: []Group{top("dwell.hunt.gaps", "Gap", 20)}, Values: []Value{{Unique, "dwell.hunt_id", "Hunts"}}},
		{Title: "Lag: from the end of the window to the hunt", Kind: Lines, Y: 31, W: 48, H: 12, Dataset: hunts, By: []Group{byTime()}, Values: []Value{{Max, "dwell.hunt.lag", "Longest"}, {Average, "dwell.hunt.lag", "Mean"}}},
	}}
}

// Search is a saved search: the documents of a dataset, newest first, with some columns.
type Search struct {
	ID, Title, About, Dataset string
	Columns                   []string
}

// Searches are all saved searches.
func Searches() []Search {
	return []Search{
		{"dwell-findings", "dwell - Findings", "Every finding of every hunt, newest first.", finding,
			[]string{"event.severity_label", "dwell.score", "dwell.pair", "rule.name", "beacon.period", "network.connections", "dwell.reasons", "dwell.links.soc_hunt", "dwell.links.kibana"}},
		{"dwell-raw", "dwell - Raw connections", "Links from each finding to its raw connections, in Hunt and in Discover.", finding,
			[]string{"dwell.window.start", "dwell.window.end", "dwell.pair", "network.connections", "dwell.links.soc_hunt", "dwell.links.kibana"}},
		{"dwell-alerts", "dwell - Alerts", "Findings raised as alerts, and whether they were acknowledged.", alert,
			[]string{"event.severity_label", "message", "source.ip", "destination.ip", "destination.port", "event.acknowledged", "event.escalated"}},
		{"dwell-decisions", "dwell - Dispositions", "Every disposition of a finding: who, what, when and why.", decision,
			[]string{"dwell.disposition", "dwell.pair", "user.name", "dwell.note"}},
		{"dwell-hunts", "dwell - Hunts", "Every hunt with its counts and gaps.", hunts,
			[]string{"dwell.window.start", "dwell.window.end", "dwell.hunt.complete", "dwell.hunt.connections", "dwell.hunt.pairs", "dwell.hunt.findings", "dwell.hunt.gaps"}},
	}
}
