package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"dwell/internal/hunt"
)

// made is a finding with every value that a page shows.
func made(i int, text string) hunt.Finding {
	period, jitter, beats, score, logP := 300.0, 0.05, int64(287), 0.9, -120.0
	start, end := hunt.At(1_772_409_600_000), hunt.At(1_772_496_000_000)
	f := hunt.Finding{Source: hunt.Originator{IP: netip.AddrFrom4([4]byte{10, 20, byte(i >> 8), byte(i)})},
		Destination: hunt.Destination{IP: netip.AddrFrom4([4]byte{203, 0, 113, 7}), Port: 443, Domain: text},
		Network:     hunt.Network{Transport: "tcp", Protocol: "ssl", Connections: 288, Bytes: 90000}, Beacon: &hunt.BeaconScore{Score: &score, PValueLog: &logP, Period: &period, Jitter: &jitter, CheckIns: &beats}}
	f.Event = hunt.Event{Start: start, End: end, Severity: 4, SeverityLabel: "critical"}
	d := &f.Dwell
	d.Score, d.Severity, d.Indicators, d.Reasons = 0.95-float64(i)/1e5, "critical", []string{hunt.Beacon}, []string{"beacons every 5m", "no other host: " + text, "no DNS lookup"}
	d.Modifiers = []hunt.Modifier{{Name: "rare", Value: 0.15, Reason: "no other host: " + text}, {Name: "no_name", Value: 0.05, Reason: "no server name"}}
	d.Parts.Beacon, d.FindingID, d.Pair, d.InternalIP = 0.9, hunt.Digest("finding", fmt.Sprint(i)), fmt.Sprintf("%s>%s:443/tcp", f.Source.IP, text), f.Source.IP
	d.Window, d.Disposition = hunt.TimeSpan{Start: start, End: end}, hunt.Open
	var starts []int64
	for at := start.UnixMilli(); at < end.UnixMilli(); at += 300_000 {
		starts = append(starts, at+int64(i*7919%20000))
	}
	d.Timeline = hunt.NewTimeline(starts, start.UnixMilli(), end.UnixMilli())
	d.DwellTime = &hunt.DwellTime{FirstCheckIn: start, Seconds: 86400 * float64(1+i%9), LowerBound: i%2 == 0}
	d.Evidence = &hunt.Evidence{Names: []string{text}, Addresses: []netip.Addr{f.Destination.IP}, AddressCount: 3, Prevalence: &hunt.Prevalence{Hosts: 1, Active: 87},
		Host:     &hunt.HostEvidence{Names: []string{fmt.Sprintf("WS-%03d", i)}, Users: []string{"user-" + text}, OS: []string{"Windows 11"}},
		Protocol: &hunt.Protocol{JA4: []string{"t13d1516h2_8daaf6152771_b186095e22b6"}, Certificate: &hunt.CertificateSeen{Subject: "CN=" + text, Hash: strings.Repeat("ab", 32)}}}
	f.Threat = hunt.ThreatOf(&f)
	return f
}

func printed(t *testing.T, o Options, findings ...hunt.Finding) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, findings, o))
	return b.String()
}

// The page is parsed as a browser does: names that attackers choose stay text, and nothing runs or is fetched but the
// page's own style and script, whose hashes the policy has.
func TestPageIsHarmless(t *testing.T) {
	evil := `</td></script><script>alert(1)</script><img src=x onerror=alert(1)>"'` + "\x1b[2J\x07\u202e\xff"
	f := made(1, evil)
	f.Dwell.Links = &hunt.Links{SOCHunt: "javascript:alert(1)", Kibana: "//elsewhere.example/"}
	g := made(2, "plain.example")
	g.Dwell.Links = &hunt.Links{SOCHunt: `https://console.example/#/hunt?q=source.ip%3A%2210.20.0.2%22&t=x`, Kibana: "https://console.example/kibana/"}
	f.Dwell.Campaign = &hunt.CampaignOf{ID: hunt.Digest("c"), Kind: "domain", Name: evil, Hosts: 2}
	g.Dwell.Campaign = f.Dwell.Campaign
	alone := made(3, "alone.example")
	alone.Dwell.Links = g.Dwell.Links
	doc := &hunt.Document{}
	doc.Dwell.Hunt = hunt.Summary{Connections: 123456, Gaps: []string{evil}, Notes: []string{evil}, Source: evil, Statement: &hunt.Statement{Covered: []string{evil}, Missing: []string{evil}}}
	page := printed(t, Options{Hunt: doc}, f, g, alone)
	for _, bad := range []string{"\x1b", "\x07", "\u202e", "\xff"} {
		require.NotContains(t, page, bad)
	}
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	text, policy := "", ""
	ours := map[string]string{}
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style" {
			text += n.Data
		}
		if n.Type != html.ElementNode {
			continue
		}
		require.NotRegexp(t, `^(img|iframe|link|object|embed|base|audio|video|image|use|foreignObject)$`, n.Data)
		if n.Data == "script" || n.Data == "style" {
			require.Empty(t, ours[n.Data], "one alone")
			ours[n.Data] = n.FirstChild.Data
		}
		for _, a := range n.Attr {
			require.NotRegexp(t, `^(on|src|style|action|formaction|ping|background)`, a.Key)
			if a.Key == "href" {
				require.Regexp(t, `^(#e[0-9a-f]+|https://console\.example/.*)$`, a.Val)
			}
			if a.Key == "content" && strings.Contains(a.Val, "default-src") {
				policy = a.Val
			}
		}
	}
	for kind, of := range ours {
		sum := sha256.Sum256([]byte(of))
		require.Contains(t, policy, kind+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		require.NotRegexp(t, `https?:|url\(|@import|fetch|XMLHttp|eval|innerHTML`, of)
	}
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, policy, "unsafe")
	require.Contains(t, text, `</td></script><script>alert(1)</script>`, "it is shown as it was")
	require.Contains(t, text, "123,456")
	require.Contains(t, text, "Coverage incomplete.")
	require.Contains(t, text, `source.ip:"10.20.0.2"`, "the query can be copied")
	require.Contains(t, printed(t, Options{}), "No findings reached")
}

// A reason that is also a modifier appears once, with its weight.
func TestPageSaysEachFactOnce(t *testing.T) {
	page := printed(t, Options{}, made(1, "cdn.example"))
	require.Equal(t, 1, strings.Count(page, "<li>no other host: cdn.example"))
	require.Contains(t, page, "<li>no other host: cdn.example <u>&#43;0.15</u></li>")
	require.Contains(t, page, "<li>no server name <u>&#43;0.05</u></li>", "a modifier without a reason of the same words follows")
	require.Contains(t, page, "T1071.001 Web Protocols")
	require.Contains(t, page, "certificate SHA-256")
	require.Contains(t, page, "10.20.0.1, WS-001")
}

// A long attacker-controlled text does not fill the page, and the number of missing characters is shown.
func TestLongTextIsCutVisibly(t *testing.T) {
	page := printed(t, Options{}, made(1, strings.Repeat("a", 100_000)))
	require.Less(t, len(page), 60_000)
	require.Regexp(t, `aaa… \([0-9,]+ more characters\)`, page)
	require.Equal(t, "short", cut("short", 10))
	require.Equal(t, strings.Repeat("x", 76)+"… (124 more characters)", cut(strings.Repeat("x", 200), 100))
}

// A campaign's findings are one entry at the position of the strongest, with a line each inside; the hosts beyond the
// lines are all named.
func TestCampaignIsOneLine(t *testing.T) {
	var findings []hunt.Finding
	for i := range 250 {
		f := made(i, "fleet.example")
		f.Dwell.Campaign = &hunt.CampaignOf{ID: hunt.Digest("fleet"), Kind: "domain", Name: "fleet.example", Hosts: 250}
		f.Dwell.Evidence.Prevalence = &hunt.Prevalence{Hosts: 250, Active: 400}
		findings = append(findings, f)
	}
	findings[200].Dwell.Disposition = "benign"
	page := printed(t, Options{}, append(findings, made(999, "alone.example"))...)
	require.Equal(t, 2, strings.Count(page, `<details class="e `))
	require.Contains(t, page, "250 of 400 hosts")
	require.Contains(t, page, "50 more hosts")
	for i := range 250 {
		require.Contains(t, page, netip.AddrFrom4([4]byte{10, 20, byte(i >> 8), byte(i)}).String())
	}
	require.Contains(t, page, `<span class="mixed">mixed</span>`)
	require.Regexp(t, `class="e critical beacon open benign" id="e[0-9a-f]{7}" data-s="950 250 `, page)
}

// In the worst case, with no campaigns, the page stays below 2 MB and every finding has a line.
func TestFiveThousandFindings(t *testing.T) {
	var findings []hunt.Finding
	for i := range 5000 {
		findings = append(findings, made(i, fmt.Sprintf("name-%d.example", i)))
	}
	page := printed(t, Options{Now: time.Unix(0, 0)}, findings...)
	require.Less(t, len(page), 2_000_000)
	whole := strings.Count(page, `<details class="e `)
	require.Equal(t, 5000, whole+strings.Count(page, `<div class="e `))
	require.Greater(t, whole, 20)
	require.Contains(t, page, fmt.Sprintf("The %d strongest lines have details; %s weaker ones are lines only", whole, hunt.Count(5000-whole)))
}

// All intervals of a five-minute beacon are around 300 seconds, and the picture has room on both sides.
func TestHistogramShowsThePeak(t *testing.T) {
	f := made(0, "x.example")
	h := histogram(f.Dwell.Timeline)
	require.Equal(t, "100%", h.Share)
	require.Zero(t, h.Elsewhere)
	require.Len(t, regexp.MustCompile(`M\d+ 60v-60`).FindAllString(string(h.Picture), -1), 2, "one bin, drawn once and marked once")
	require.Nil(t, histogram(nil))
	require.Empty(t, timeline(nil))
}

// Chromium runs the page: the policy lets the script run, it filters and sorts, and the page fits a phone's width.
func TestInBrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if at, err := exec.LookPath(name); err == nil {
			browser = at
			break
		}
	}
	if browser == "" || testing.Short() {
		t.Skip("chromium is not here: the report's script is not run in a browser")
	}
	var findings []hunt.Finding
	for i := range 40 {
		f := made(i, fmt.Sprintf("name-%d.example", i))
		if i%2 == 1 {
			f.Dwell.Severity = "medium"
		}
		findings = append(findings, f)
	}
	page := printed(t, Options{}, findings...)
	// A second script, which the policy is changed to allow, does what a user would do.
	const act = `
const set = (id, v, what) => { const e = document.getElementById(id); e.value = v; e.dispatchEvent(new Event(what)); };
const count = () => [...document.querySelectorAll('#list > .e')].filter(e => !e.hidden).length;
const said = { bar: !document.getElementById('bar').hidden, all: count(), fits: document.documentElement.scrollWidth <= innerWidth };
set('sev', 'critical', 'change'); said.critical = count();
set('sort', '-3', 'change'); set('sort', '5', 'change'); said.first = document.querySelector('#list > .e').dataset.s.split(' ')[5];
set('q', 'name-4.example', 'input');
setTimeout(() => { said.search = count(); said.text = document.getElementById('n').textContent; document.title = JSON.stringify(said); }, 400);`
	sum := sha256.Sum256([]byte(act))
	page = strings.Replace(page, "script-src ", "script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"' ", 1)
	page = strings.Replace(page, "</body>", "<script>"+act+"</script></body>", 1)
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	require.NoError(t, os.WriteFile(file, []byte(page), 0o600))
	out, err := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", //nolint:gosec // found by name
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=500,900", "--virtual-time-budget=3000", "--dump-dom", "file://"+file).Output()
	require.NoError(t, err)
	root, err := html.Parse(bytes.NewReader(out))
	require.NoError(t, err)
	said := ""
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "title" {
			said = n.FirstChild.Data
		}
	}
	require.JSONEq(t, `{"bar": true, "all": 40, "fits": true, "critical": 20, "first": "777600", "search": 1, "text": "1 of 40 lines"}`, said)
}
