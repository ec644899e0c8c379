package hunt

import (
	"slices"
	"strings"
)

// Framework is the source of the techniques' ids and names.
const Framework = "MITRE ATT&CK"

// Threat has the ATT&CK techniques that a finding's evidence shows, in ECS fields. Its lists are parallel: the first id
// belongs to the first name.
type Threat struct {
	Framework string          `json:"framework"`
	Tactic    Named           `json:"tactic"`
	Technique ThreatTechnique `json:"technique"`
}

// Named are ids with their names.
type Named struct {
	ID   []string `json:"id"`
	Name []string `json:"name"`
}

// ThreatTechnique are techniques, and their subtechniques if known.
type ThreatTechnique struct {
	Named
	Subtechnique *Named `json:"subtechnique,omitempty"`
}

// TechniqueRule is one technique with the evidence it requires.
type TechniqueRule struct {
	// ID and Name are ATT&CK's; for a subtechnique, Parent is the name of its technique.
	ID, Name, Parent string
	// When describes the required evidence, for users.
	When string
	is   func(f *Finding) bool
}

// Technique is the id without the subtechnique.
func (r *TechniqueRule) Technique() string {
	id, _, _ := strings.Cut(r.ID, ".")
	return id
}

// The tactics. Everything that dwell looks for is command and control; one technique also belongs to another tactic.
const (
	tacticC2, nameC2       = "TA0011", "Command and Control"
	tacticExfil, nameExfil = "TA0010", "Exfiltration"
	exfiltration           = "T1041"
)

// TechniqueRules lists every technique that a finding may have, ordered by id. Only recorded evidence counts: timing
// alone is no technique.
func TechniqueRules() []TechniqueRule {
	const application = "Application Layer Protocol"
	modifier := func(name string) func(*Finding) bool {
		return func(f *Finding) bool { return f.hasModifier(name) }
	}
	speaks := func(names ...string) func(*Finding) bool {
		return func(f *Finding) bool { return f.speaks(names...) }
	}
	return []TechniqueRule{
		{ID: "T1008", Name: "Fallback Channels", When: "one rhythm over several addresses or domains that no other host uses (`#unshared`, `#unshared-names`)",
			is: func(f *Finding) bool { return strings.HasPrefix(f.rollUp(), "unshared") }},
		{ID: exfiltration, Name: "Exfiltration Over C2 Channel", When: "modifier `upload`: ten times as much sent as received, a megabyte or more", is: modifier("upload")},
		{ID: "T1071.001", Name: "Web Protocols", Parent: application, When: "Zeek recognized HTTP or QUIC, or TLS to port 443 or 8443", is: func(f *Finding) bool {
			return f.speaks("http", "quic", "websocket") || f.speaks("ssl") && slices.Contains([]int{443, 8443}, f.Destination.Port)
		}},
		{ID: "T1071.002", Name: "File Transfer Protocols", Parent: application, When: "Zeek recognized FTP, TFTP or SMB", is: speaks("ftp", "ftp-data", "tftp", "smb")},
		{ID: "T1071.003", Name: "Mail Protocols", Parent: application, When: "Zeek recognized SMTP, IMAP or POP3", is: speaks("smtp", "imap", "pop3")},
		{ID: "T1071.004", Name: "DNS", Parent: application, When: "the finding is about DNS queries or Zeek recognized DNS", is: func(f *Finding) bool { return f.Dwell.DNS != nil || f.speaks("dns") }},
		{ID: "T1090", Name: "Proxy", When: "Zeek recognized SOCKS", is: speaks("socks")},
		{ID: "T1095", Name: "Non-Application Layer Protocol", When: "modifier `icmp_data`, or data both ways in which Zeek recognized no protocol", is: func(f *Finding) bool {
			return f.hasModifier("icmp_data") || f.hasModifier("no_service") || f.rollUp() == "" && f.Dwell.DNS == nil && f.Network.Protocol == "" && f.Client.Bytes > 0 && f.Server.Bytes > 0
		}},
		{ID: "T1105", Name: "Ingress Tool Transfer", When: "modifier `executable`: a program was transferred", is: modifier("executable")},
		{ID: "T1568.002", Name: "Domain Generation Algorithms", Parent: "Dynamic Resolution", When: "DNS queries for several domains that no other client asks for (`*/dns#unshared`)",
			is: func(f *Finding) bool { return f.Dwell.DNS != nil && f.Destination.Domain == UnsharedDomains }},
		{ID: "T1571", Name: "Non-Standard Port", When: "modifier `odd_service`, or Zeek recognized HTTP, TLS or SSH on a port that is not one of theirs", is: func(f *Finding) bool {
			return f.hasModifier("odd_service") || f.offPort()
		}},
		{ID: "T1572", Name: "Protocol Tunneling", When: "indicator `dns_tunnel`: data in the names that are asked for", is: func(f *Finding) bool { return slices.Contains(f.Dwell.Indicators, DNSTunnel) }},
		{ID: "T1573", Name: "Encrypted Channel", When: "Zeek recognized TLS, DTLS, QUIC or SSH", is: speaks("ssl", "dtls", "quic", "ssh")},
	}
}

// ThreatOf returns the techniques that a finding's evidence shows; nil for none or without an indicator.
func ThreatOf(f *Finding) *Threat {
	if len(f.Dwell.Indicators) == 0 {
		return nil
	}
	t := &Threat{Framework: Framework, Tactic: Named{ID: []string{tacticC2}, Name: []string{nameC2}}}
	var sub Named
	for _, r := range TechniqueRules() {
		if !r.is(f) {
			continue
		}
		name := r.Name
		if r.Parent != "" {
			sub.ID, sub.Name = append(sub.ID, r.ID), append(sub.Name, r.Name)
			name = r.Parent
		}
		if id := r.Technique(); !slices.Contains(t.Technique.ID, id) {
			t.Technique.ID, t.Technique.Name = append(t.Technique.ID, id), append(t.Technique.Name, name)
		}
		if r.ID == exfiltration {
			t.Tactic.ID, t.Tactic.Name = append(t.Tactic.ID, tacticExfil), append(t.Tactic.Name, nameExfil)
		}
	}
	if len(t.Technique.ID) == 0 {
		return nil
	}
	if len(sub.ID) > 0 {
		t.Technique.Subtechnique = &sub
	}
	return t
}

// Techniques lists them briefly, with a subtechnique in place of its technique: "T1071.001 Web Protocols".
func (t *Threat) Techniques() []string {
	if t == nil {
		return nil
	}
	sub := t.Technique.Subtechnique
	if sub == nil {
		sub = &Named{}
	}
	var out []string
	for i, id := range t.Technique.ID {
		closer := false
		for j, s := range sub.ID {
			if strings.HasPrefix(s, id+".") {
				out, closer = append(out, s+" "+sub.Name[j]), true
			}
		}
		if !closer {
			out = append(out, id+" "+t.Technique.Name[i])
		}
	}
	return out
}

func (f *Finding) hasModifier(name string) bool {
	return slices.ContainsFunc(f.Dwell.Modifiers, func(m Modifier) bool { return m.Name == name })
}

// speaks reports whether Zeek recognized one of these protocols. Several are joined by commas.
func (f *Finding) speaks(names ...string) bool {
	for one := range strings.FieldsFuncSeq(f.Network.Protocol, func(r rune) bool { return r == ',' || r == '+' || r == ' ' }) {
		if slices.Contains(names, one) {
			return true
		}
	}
	return false
}

// rollUp is the network or fingerprint of a roll-up, empty for a single destination.
func (f *Finding) rollUp() string {
	if d := f.Dwell.Destination; d != nil {
		return d.Network + d.Fingerprint
	}
	return ""
}

// offPort reports whether HTTP, TLS or SSH uses a port that is not one of its usual ones.
func (f *Finding) offPort() bool {
	usual := map[string][]int{
		"http": {80, 591, 3128, 5000, 5985, 7547, 8000, 8008, 8080, 8081, 8088, 8888, 8530},
		"ssl":  {443, 465, 563, 587, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 5223, 5228, 5986, 8443, 8531, 8883, 9443},
		"ssh":  {22, 2222},
	}
	port := f.Destination.Port
	for name, ports := range usual {
		if f.speaks(name) && port != 0 && !slices.Contains(ports, port) && f.Network.Protocol == name {
			return true
		}
	}
	return false
}
