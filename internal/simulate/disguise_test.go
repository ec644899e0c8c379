package simulate

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Implants without a steady rhythm of connections: random ports, several requests in one connection, a connection that
// stays open, one name queried repeatedly, memoryless sleeps and sleeps after work. The truth file describes each.
func TestDisguises(t *testing.T) {
	sc := small()
	minutes := Duration(time.Minute)
	sc.Services = nil
	sc.Implants = []Talker{
		{Name: "ports", Kind: KindBeacon, Hosts: []string{"ws-001"}, Period: minutes, AnyPort: true, Service: "none"},
		{Name: "requests", Kind: KindLong, Hosts: []string{"ws-002"}, Domain: "kept.example", Port: 80, Period: Duration(12 * time.Hour), Duration: Duration(time.Hour), Requests: 360},
		{Name: "open", Kind: KindLong, Hosts: []string{"ws-003"}, Domain: "open.example", Period: minutes, Duration: Duration(48 * time.Hour), Open: true},
		{Name: "queries", Kind: KindDNSBeacon, Hosts: []string{"ws-004"}, Domain: "cmd.asked.example", Period: minutes, Jitter: 0.1},
		{Name: "memoryless", Kind: KindBeacon, Hosts: []string{"ws-005"}, Domain: "exp.example", Period: minutes, Timing: TimingMemoryless},
		{Name: "work", Kind: KindBeacon, Hosts: []string{"ws-006"}, Domain: "work.example", Period: minutes, Timing: TimingWork, Work: Duration(10 * time.Second)},
	}
	dir, s := run(t, sc, Format{})
	labels := map[string]*Label{}
	for _, l := range s.Labels.Implants {
		labels[l.Name] = l
		require.Positive(t, l.Connections, l.Name)
	}
	conns := map[string][]map[string]string{} // by source and destination
	for _, c := range tsvRecords(t, filepath.Join(dir, "conn.log")) {
		conns[c["id.orig_h"]+">"+c["id.resp_h"]] = append(conns[c["id.orig_h"]+">"+c["id.resp_h"]], c)
	}
	of := func(name string) []map[string]string {
		return conns[labels[name].Sources[0].String()+">"+labels[name].Destinations[0].String()]
	}
	ports := map[string]bool{}
	for _, c := range of("ports") {
		ports[c["id.resp_p"]] = true
	}
	require.Greater(t, len(ports), len(of("ports"))*9/10)
	require.Empty(t, of("open"), "it has no end, so no record")
	require.EqualValues(t, 1, labels["open"].Connections)

	uids := map[string]int{}
	for _, r := range tsvRecords(t, filepath.Join(dir, "http.log")) {
		if r["host"] == "kept.example" {
			uids[r["uid"]]++
		}
	}
	require.Equal(t, map[string]int{of("requests")[0]["uid"]: 360}, uids)
	opened := 0
	for _, r := range tsvRecords(t, filepath.Join(dir, "ssl.log")) {
		if r["server_name"] == "open.example" {
			opened++
		}
	}
	require.Equal(t, 1, opened)
	asked := 0
	for _, r := range tsvRecords(t, filepath.Join(dir, "dns.log")) {
		if r["query"] == "cmd.asked.example" && r["id.orig_h"] == labels["queries"].Sources[0].String() {
			asked++
		}
	}
	require.InDelta(t, 600, asked, 30) // once a minute for ten hours
	spread := func(name string) (least, mean float64) {
		list := of(name)
		least = 1e9
		for i := range list[1:] {
			gap := seconds(t, list[i+1]["ts"]) - seconds(t, list[i]["ts"])
			least, mean = min(least, gap), mean+gap/float64(len(list)-1)
		}
		return least, mean
	}
	least, mean := spread("memoryless")
	require.Less(t, least, 5.0)
	require.InDelta(t, 60, mean, 8)
	least, mean = spread("work")
	require.GreaterOrEqual(t, least, 59.9)
	require.InDelta(t, 70, mean, 3)
}
