package elastic

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"dwell/internal/hunt"
	"dwell/query/zeek"
)

// TestManyMachines looks 130 hosts up, half of them IPv6, more than two searches hold, in Security Onion's shape and in
// log files: the same of both, each host its own, and the logs that are not there told.
func TestManyMachines(t *testing.T) {
	var addrs []netip.Addr
	var dhcp, software []string
	for i := range 65 {
		for _, a := range []string{fmt.Sprintf("10.0.1.%d", i), fmt.Sprintf("fd00::1:%x", i)} {
			addrs = append(addrs, netip.MustParseAddr(a))
			dhcp = append(dhcp, fmt.Sprintf(`{"ts":1772330400.5,"uids":["C1"],"client_addr":%q,"mac":"02:00:00:00:%02x:%02x","host_name":"ws-%s","assigned_addr":%q}`, a, len(a), i, strings.ReplaceAll(a, ":", "-"), a))
			software = append(software, fmt.Sprintf(`{"ts":1772330401.5,"host":%q,"software_type":"HTTP::BROWSER","name":"Firefox","unparsed_version":"Mozilla/5.0 (X11; Linux x86_64) %d"}`, a, i))
		}
	}
	dir := t.TempDir()
	for name, lines := range map[string][]string{"dhcp.log": dhcp, "software.log": software} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	}
	req := hunt.Request{From: day, To: day.Add(24 * time.Hour), Scope: hunt.NewScope(nil, hunt.Outbound)}
	check := func(t *testing.T, source hunt.Source) map[netip.Addr]*hunt.HostLogs {
		got, remarks, err := source.Open().Hosts(t.Context(), req, addrs, false)
		require.NoError(t, err)
		require.Len(t, got, len(addrs))
		for _, a := range addrs {
			require.Len(t, got[a].Names, 1, a)
			require.Equal(t, "ws-"+strings.ReplaceAll(a.String(), ":", "-"), got[a].Names[0].Text)
			require.Len(t, got[a].MACs, 1)
			require.Len(t, got[a].Software, 1)
		}
		require.Len(t, remarks.Notes, 1)
		require.Equal(t, []string{"kerberos", "ntlm"}, remarks.Notes[0].Logs)
		return got
	}
	files := check(t, zeek.New(zeek.Options{Paths: []string{dir}}))
	forEachLine(t, func(t *testing.T, c cluster) {
		index := c.index(t, 2)
		c.lines(t, index, "dhcp", dhcp...)
		c.lines(t, index, "software", software...)
		s, err := New(c.Client, Options{Index: []string{index}})
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(files, check(t, s), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.IgnoreFields(hunt.HostLogs{}, "AlertCount")))
	})
}
