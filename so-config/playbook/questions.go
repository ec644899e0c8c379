package playbook

import (
	"strings"

	"dwell/internal/hunt"
	"dwell/internal/pipeline/material"
)

// kinds are the rules that raise alerts, each with its questions in order.
func kinds() []kind {
	beacon := []Question{
		theAlert("the interval, how even it is, and how likely that is by chance",
			"beacon.period", "beacon.jitter", "beacon.coverage", "network.connections", "dwell.evidence.prevalence.hosts"),
		connections("Do the connections come at even intervals, and with the same sizes?",
			"Even intervals and equal sizes by day and by night point to a program. Gaps at night or at the weekend point to a person or to office software.",
			"-1d", false, "event.duration", "client.bytes", "server.bytes", "connection.state"),
	}
	return []kind{
		{material.Rule([]string{hunt.Beacon}), "An internal host connects to the same destination at intervals that are too even for a person. Find out which program does it, and whether the destination is what it says.",
			[]string{"attack.command-and-control", "attack.t1071"}, append(beacon, common()...)},
		{material.Rule([]string{hunt.LongConnection}), "An internal host keeps connections to one destination open for most of the window. Find out whether that is remote access, a tunnel, or a service that pushes messages.",
			[]string{"attack.command-and-control", "attack.t1572"}, append([]Question{
				theAlert("how long the connections were open, in all and at most", "dwell.connection.total_duration", "dwell.connection.longest_duration", "network.bytes", "network.protocol"),
				connections("How long were the connections open, and which side sent more?",
					"A tunnel or a remote shell receives little and sends much, or both at odd times. A push service sends next to nothing.",
					"-1d", false, "event.duration", "client.bytes", "server.bytes", "connection.history"),
			}, common()...)},
		{material.Rule([]string{hunt.Strobe}), "An internal host makes a connection a second or more to one destination, all day. Find out whether that is a broken program, a scanner, or an implant whose server is gone.",
			[]string{"attack.command-and-control", "attack.t1071"}, append([]Question{
				theAlert("how many connections there were", "network.connections", "network.bytes", "dwell.ports"),
				connections("Are the connections answered?",
					"Many attempts without an answer point to a server that is gone, or to a firewall that drops them. The program that makes them still runs.",
					"-1h", true, "connection.state", "dst_port"),
			}, common()...)},
		{material.Rule([]string{hunt.DNSTunnel}), "An internal host asks for very many different names below one domain. Names can carry data out, and answers can carry it in. Find out what the names look like and who answers.",
			[]string{"attack.command-and-control", "attack.t1071.004", "attack.exfiltration", "attack.t1048.003"}, append(queries(), host()...)},
		{material.Rule([]string{hunt.Presence}), "An internal host contacts one destination hour after hour, though without a rhythm. Find out which program does it, and since when.",
			[]string{"attack.command-and-control", "attack.t1071"}, append([]Question{
				theAlert("in how many hours it was there", "network.connections", "network.bytes", "dwell.evidence.prevalence.hosts"),
				connections("At which hours does the host contact the destination?",
					"Contacts in every hour of the night from a workstation point to a program. Contacts in working hours only are what people do.",
					"-1d", false, "event.duration", "client.bytes", "server.bytes"),
			}, common()...)},
		{material.Rule([]string{hunt.OnList}), "The destination, its name, its certificate or a TLS fingerprint is on a list of indicators of compromise. Find out what the list says, whether it is still true, and what was exchanged.",
			[]string{"attack.command-and-control"}, append([]Question{
				theAlert("which indicator matched, and on which list", "dwell.evidence.intel.indicator", "dwell.evidence.intel.type", "dwell.evidence.intel.list"),
				connections("Was the destination reached, and how much was sent?",
					"A connection that was answered and carried data is more urgent than an attempt. Addresses on lists change hands: compare the name with what the list means.",
					"-7d", true, "connection.state", "dst_port"),
			}, common()...)},
		{material.Rule([]string{hunt.Anomaly}), "Three independent things are odd about how an internal host talks to one destination: no server name, a certificate that does not validate, a client that no other host has, another protocol's port, or a notice of Zeek's. Find out which program it is.",
			[]string{"attack.command-and-control", "attack.t1071"}, append([]Question{
				theAlert("what is odd", "dwell.evidence.protocol.oddities", "dwell.reasons", "network.connections"),
			}, common()...)},
	}
}

// common are the questions about any pair of addresses.
func common() []Question {
	return append([]Question{
		connections("Which other internal hosts contact the same destination?",
			"One host only makes an implant more likely. Many hosts point to common software, or to an outbreak: compare when each of them began.",
			"-7d", true, "src_ip").of("dst_ip|expand: '%dst_ip%'"),
		question("When did the host contact the destination first?",
			"A destination that is new since an email, a download or a logon belongs to that event. One that has been there for months is less urgent.",
			"-30d", false, "network", "connection", pair, "dst_port", "connection.state"),
		question("Which names did the host look up that lead to this address?",
			"A name says more than an address. No lookup at all means that the program has the address built in, or uses another resolver.",
			"-1d", true, "network", "dns", []string{"src_ip|expand: '%src_ip%'", "dns.resolved_ip|expand: '%dst_ip%'"}, "dns.query.name"),
		question("What does TLS say: server name, certificate, fingerprint?",
			"A certificate that is self-signed, or for another name, does not belong to a public service. The fingerprint tells programs apart: look for it on other hosts.",
			"-1d", true, "network", "ssl", pair, "ssl.server_name", "ssl.certificate.subject", "hash.ja4"),
		question("What does HTTP say: host, address, user agent?",
			"The user agent of a browser that the host does not have, or the same address again and again, points to a program.",
			"-1d", true, "network", "http", pair, "http.virtual_host", "http.uri", "http.useragent"),
	}, host()...)
}

// pair selects the alert's two addresses.
var pair = []string{"src_ip|expand: '%src_ip%'", "dst_ip|expand: '%dst_ip%'"}

// host are the questions about the internal host.
func host() []Question {
	return []Question{
		question("Which process on the host makes the connections?",
			"The path and the command line tell a program from an implant. There is an answer only where the host runs the Elastic Agent with Elastic Defend.",
			"+/-1h", true, "network_connection", "", pair, "hostname", "Image", "User"),
		question("Which files did the host receive shortly before?",
			"An implant often arrives as a download in the hours before its first contact.",
			"-1d", true, "network", "file", []string{"related_ip|expand: '%src_ip%'"}, "file.mime_type", "file.name", "file.source"),
		question("Which other alerts are there for the host?",
			"Alerts of other kinds for the same host within a day make a compromise likely.",
			"+/-1d", true, "alert", "", []string{"related_ip|expand: '%src_ip%'"}, "rule.name", "event.module"),
		question("What does the host connect to inside, after the contact?",
			"New connections to file servers, domain controllers or many workstations point to lateral movement.",
			"+/-1d", true, "network", "connection", []string{"src_ip|expand: '%src_ip%'", "dst_ip|cidr: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']"}, "dst_ip", "dst_port"),
	}
}

// queries are the questions about a DNS tunnel.
func queries() []Question {
	domain := "dns.query.name|endswith|expand: '%dns.highest_registered_domain%'"
	client := []string{"src_ip|expand: '%src_ip%'", domain}
	return []Question{
		theAlert("how many names there were and how long they are", "dns.query.name", "dwell.dns.names", "dwell.dns.queries", "dwell.dns.mean_length", "dwell.dns.entropy"),
		question("What do the names look like?",
			"Long labels of random letters and digits carry data. Labels that a person can read, counters or host names belong to a service.",
			"-1h", true, "network", "dns", client, "dns.query.name", "dns.query.type_name"),
		question("Are the queries answered, and with what?",
			"Answers with long texts bring data in. Queries without an answer can carry data out all the same: the server has read the name.",
			"-1h", true, "network", "dns", client, "dns.response.code_name", "dns.query.type_name"),
		question("Which resolver does the host ask?",
			"A host that asks a server outside, and not the resolver of its network, avoids the network's own log and filter.",
			"-1d", true, "network", "dns", client, "dst_ip", "dst_port"),
		question("Which other hosts ask for names below the domain?",
			"Many hosts point to a service: antivirus and content networks put data into names, too.",
			"-7d", true, "network", "dns", []string{domain}, "src_ip"),
		question("When did the host ask for the domain first?",
			"Compare with downloads, logons and other alerts of that time.",
			"-30d", false, "network", "dns", client, "dns.query.name"),
	}
}

// theAlert is the question about the alert itself.
func theAlert(what string, fields ...string) Question {
	q := question("What does dwell say about it?", "The reasons, strongest first, and "+what+". dwell show, with the pair of the alert, explains the finding in full.",
		"", false, "alert", "", []string{"document_id|expand: '%document_id%'"}, append([]string{"message", "dwell.reasons", "host.name"}, fields...)...)
	return q
}

// connections is a question about Zeek's connections between the alert's two addresses.
func connections(text, context, span string, aggregate bool, fields ...string) Question {
	return question(text, context, span, aggregate, "network", "connection", pair, fields...)
}

// of replaces the pair by another selection.
func (q Question) of(selection string) Question {
	q.Query = strings.Replace(q.Query, "    "+pair[0]+"\n    "+pair[1]+"\n", "    "+selection+"\n", 1)
	return q
}

// question builds a question about records of a category (and, for network, a service) that match all of a selection.
func question(text, context, span string, aggregate bool, category, service string, selection []string, fields ...string) Question {
	var b strings.Builder
	line := func(s string) { b.WriteString(s + "\n") }
	if aggregate {
		line("aggregation: true")
	} else {
		line("aggregation: false")
	}
	line("logsource:\n  category: " + category)
	source := category
	if service != "" {
		line("  service: " + service)
		source += "." + service
	}
	line("detection:\n  selection:")
	for _, s := range selection {
		line("    " + s)
	}
	line("  condition: selection\nfields:")
	for _, f := range fields {
		line("  - " + f)
	}
	return Question{Question: text, Context: context, Range: span, Sources: []string{source}, Query: b.String()}
}
