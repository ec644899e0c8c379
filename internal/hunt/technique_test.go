package hunt

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each rule, with a finding that has its evidence and one that does not.
func TestTechniquesRestOnEvidence(t *testing.T) {
	plain := func(change func(*Finding)) *Finding {
		f := &Finding{Destination: Destination{Port: 443}, Network: Network{Transport: "tcp", Protocol: "ssl"}, Client: Bytes{10}, Server: Bytes{10}}
		f.Dwell.Indicators = []string{Beacon}
		change(f)
		return f
	}
	with := func(modifier string) func(*Finding) {
		return func(f *Finding) { f.Dwell.Modifiers = []Modifier{{Name: modifier, Value: 0}} }
	}
	speaking := func(protocol string, port int) func(*Finding) {
		return func(f *Finding) { f.Network.Protocol, f.Destination.Port = protocol, port }
	}
	web := []string{"T1071.001 Web Protocols", "T1573 Encrypted Channel"}
	for name, c := range map[string]struct {
		change func(*Finding)
		want   []string
	}{
		"TLS":                {func(*Finding) {}, web},
		"TLS elsewhere":      {speaking("ssl", 4444), []string{"T1571 Non-Standard Port", "T1573 Encrypted Channel"}},
		"mail":               {speaking("imap,ssl", 993), []string{"T1071.003 Mail Protocols", "T1573 Encrypted Channel"}},
		"HTTP":               {speaking("http", 80), []string{"T1071.001 Web Protocols"}},
		"HTTP elsewhere":     {speaking("http", 4444), []string{"T1071.001 Web Protocols", "T1571 Non-Standard Port"}},
		"SSH":                {speaking("ssh", 22), []string{"T1573 Encrypted Channel"}},
		"files":              {speaking("ftp", 21), []string{"T1071.002 File Transfer Protocols"}},
		"SOCKS":              {speaking("socks", 1080), []string{"T1090 Proxy"}},
		"nothing recognized": {speaking("", 9001), []string{"T1095 Non-Application Layer Protocol"}},
		"nothing came back":  {func(f *Finding) { f.Network.Protocol, f.Server.Bytes = "", 0 }, nil},
		"ping with data": {func(f *Finding) {
			*f = *plain(with("icmp_data"))
			f.Network = Network{Transport: "icmp"}
			f.Server.Bytes = 0
		}, []string{"T1095 Non-Application Layer Protocol"}},
		"upload":               {with("upload"), append([]string{"T1041 Exfiltration Over C2 Channel"}, web...)},
		"program":              {with("executable"), []string{web[0], "T1105 Ingress Tool Transfer", web[1]}},
		"another protocol":     {with("odd_service"), []string{web[0], "T1571 Non-Standard Port", web[1]}},
		"several destinations": {func(f *Finding) { f.Dwell.Destination = &DestinationNetwork{Fingerprint: "unshared=808-1009B"} }, append([]string{"T1008 Fallback Channels"}, web...)},
		"a network": {func(f *Finding) {
			f.Network.Protocol, f.Dwell.Destination = "", &DestinationNetwork{Network: "203.0.113.0/24"}
		}, nil},
		"DNS tunnel": {func(f *Finding) {
			f.Dwell.Indicators, f.Dwell.DNS, f.Network.Protocol = []string{DNSTunnel}, &DNSEvidence{}, "dns"
		}, []string{"T1071.004 DNS", "T1572 Protocol Tunneling"}},
		"generated domains": {func(f *Finding) {
			f.Dwell.DNS, f.Destination.Domain, f.Network.Protocol = &DNSEvidence{}, UnsharedDomains, "dns"
		}, []string{"T1071.004 DNS", "T1568.002 Domain Generation Algorithms"}},
		"no indicator": {func(f *Finding) { f.Dwell.Indicators = nil }, nil},
	} {
		require.Equal(t, c.want, ThreatOf(plain(c.change)).Techniques(), name)
	}
	both := ThreatOf(plain(with("upload")))
	require.Equal(t, Named{[]string{"TA0011", "TA0010"}, []string{"Command and Control", "Exfiltration"}}, both.Tactic)
	require.Equal(t, Named{[]string{"T1041", "T1071", "T1573"}, []string{"Exfiltration Over C2 Channel", "Application Layer Protocol", "Encrypted Channel"}}, both.Technique.Named)
	require.Equal(t, &Named{[]string{"T1071.001"}, []string{"Web Protocols"}}, both.Technique.Subtechnique)
}

// Every rule is in docs/output.md with its required evidence.
func TestTechniqueRulesAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/output.md")
	require.NoError(t, err)
	last := ""
	for _, r := range TechniqueRules() {
		require.Greater(t, r.ID, last, "in order")
		last = r.ID
		name := r.Name
		if r.Parent != "" {
			name = r.Parent + ": " + r.Name
		}
		require.Contains(t, string(b), "| "+r.ID+" | "+name+" | "+r.When+" |")
		require.True(t, strings.HasPrefix(r.ID, "T"))
	}
}
