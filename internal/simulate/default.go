package simulate

import (
	"net/netip"
	"time"
)

// Default is a working Monday at a site of 60 workstations, with typical office services and an implant of each kind.
// Its date is fixed, so that a seed always gives the same bytes.
func Default() Scenario {
	return Scenario{
		Seed:         1,
		Start:        time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC),
		Length:       Duration(24 * time.Hour),
		Internal:     []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd20:1::/48")},
		Domain:       "corp.example",
		Hosts:        60,
		Rate:         300,
		Destinations: 3000,
		Failed:       0.03,
		IPv6:         0.3,
		Work:         Hours{From: 8 * 60, To: 17*60 + 30},
		Services:     defaultServices(),
		Implants:     defaultImplants(),
	}
}

func defaultServices() []Talker {
	return []Talker{
		{Name: "os-telemetry", Kind: KindBeacon, Share: 0.9, System: "windows", Domain: "telemetry.windows-vendor.example", Period: Duration(15 * time.Minute), Jitter: 0.1,
			Request: 2400, Response: 900, SizeJitter: 0.5, Why: "the operating system reports home every quarter of an hour, on nearly all hosts; benign"},
		{Name: "antivirus-cloud", Kind: KindBeacon, Share: 0.6, Domain: "cloud.antivirus.example", Period: Duration(10 * time.Minute), Jitter: 0.05,
			Request: 700, Response: 500, SizeJitter: 0.1, Why: "virus scanner asks its cloud every ten minutes, on most hosts; benign"},
		{Name: "chat-push", Kind: KindLong, Share: 0.7, Domain: "push.chat.example", Period: Duration(6 * time.Second), Jitter: 0.5, Duration: Duration(5 * time.Hour),
			Request: 90_000, Response: 400_000, SizeJitter: 0.4, Why: "chat program holds a connection open for messages; benign"},
		{Name: "phone-push", Kind: KindLong, Share: 0.5, System: "macos", Domain: "courier.push.example", Port: 5223, Period: Duration(3 * time.Second), Duration: Duration(11 * time.Hour),
			Request: 20_000, Response: 24_000, SizeJitter: 0.3, Why: "notification service holds a connection open all day; benign"},
		{Name: "mail-sync", Kind: KindBeacon, Share: 0.35, Domain: "imap.mail.example", Port: 993, Period: Duration(3 * time.Minute), Jitter: 0.25, OfficeHours: true,
			Request: 900, Response: 3500, SizeJitter: 0.6, Why: "mail program looks for new mail every few minutes in office hours; benign"},
		{Name: "weather-widget", Kind: KindBeacon, Share: 0.12, Domain: "tiles.weather.example", Port: 80, Period: Duration(30 * time.Minute), Jitter: 0.01,
			Request: 400, Response: 2100, SizeJitter: 0.02, Why: "desktop widget fetches its tiles every half an hour over plain HTTP; benign"},
		{Name: "crl", Kind: KindBeacon, Share: 0.2, Domain: "crl.trust.example", Port: 80, Period: Duration(time.Hour), Timing: TimingClock, Jitter: 0.001,
			Request: 260, Response: 1400, Why: "certificate revocation list, fetched on the hour; benign"},
		{Name: "browser-extension", Kind: KindBeacon, Share: 0.08, Domain: "sync.extension.example", Period: Duration(5 * time.Minute), Timing: TimingClock, Jitter: 0.02,
			Request: 600, Response: 450, SizeJitter: 0.05, Why: "browser extension polls its maker every five minutes, on a few hosts; benign"},
		{Name: "remote-management", Kind: KindBeacon, Hosts: []string{"files-1", "app-1", "backup-1"}, Domain: "agent.managed.example", Period: Duration(time.Minute), Jitter: 0.03,
			Request: 520, Response: 310, SizeJitter: 0.05, Why: "remote management agent on the servers asks for work every minute; benign, and looks just like an implant"},
		{Name: "licence-check", Kind: KindBeacon, Domain: "licence.cad.example", Period: Duration(20 * time.Minute), Jitter: 0.02, OfficeHours: true,
			Request: 800, Response: 600, Why: "licence check of a drawing program on one host; benign, and rare"},
	}
}

func defaultImplants() []Talker {
	addr := netip.MustParseAddr
	return []Talker{
		{Name: "five-minutes", Kind: KindBeacon, Domain: "cdn-static.example", Period: Duration(5 * time.Minute), Jitter: 0.1, SelfSigned: true,
			Request: 620, Response: 410, SizeJitter: 0.05, Why: "implant over TLS: every 5 minutes, ±10%, all day"},
		{Name: "sleep-60-jitter-50", Kind: KindBeacon, Domain: "api-metrics.example", Period: Duration(time.Minute), Jitter: 0.5, Timing: TimingEarly,
			Request: 540, Response: 300, SizeJitter: 0.1, Why: "implant that sleeps 60 seconds less up to half of that, as Cobalt Strike does"},
		{Name: "slow", Kind: KindBeacon, Period: Duration(time.Hour), Jitter: 0.2, Port: 8443, Service: "ssl", NoServerName: true, SelfSigned: true,
			Request: 900, Response: 700, SizeJitter: 0.1, Why: "slow implant: once an hour ±20%, TLS without a server name straight to an address"},
		{Name: "office-hours", Kind: KindBeacon, Domain: "docs-preview.example", Port: 80, Period: Duration(10 * time.Minute), Jitter: 0.2, OfficeHours: true,
			UserAgent: "Mozilla/5.0 (compatible; preview)", Request: 480, Response: 350, SizeJitter: 0.1, Why: "implant over HTTP that works in office hours only: every 10 minutes ±20%"},
		{Name: "lossy-burst", Kind: KindBeacon, Domain: "img-cache.example", Period: Duration(5 * time.Minute), Jitter: 0.3, Loss: 0.3, Burst: 3, Spread: Duration(2 * time.Second),
			Request: 700, Response: 900, SizeJitter: 0.3, Why: "implant that makes three connections a check-in, every 5 minutes ±30%, and misses three in ten"},
		{Name: "rotating", Kind: KindBeacon, Destinations: []netip.Addr{addr("198.51.100.20"), addr("198.51.100.77"), addr("198.51.100.140"), addr("198.51.100.201")}, Rotate: "random",
			Domain: "telemetry-eu.example", Period: Duration(4 * time.Minute), Jitter: 0.15, Request: 640, Response: 500, SizeJitter: 0.1,
			Why: "implant that takes one of four addresses of one network at each check-in, every 4 minutes ±15%"},
		{Name: "two-speeds", Kind: KindBeacon, Domain: "sync-node.example", Periods: []Duration{Duration(time.Minute), Duration(10 * time.Minute)}, Hold: Duration(2 * time.Hour), Jitter: 0.1,
			Request: 580, Response: 420, SizeJitter: 0.05, Why: "implant that is woken up: two hours every minute, two hours every ten minutes, in turn"},
		{Name: "four-hours", Kind: KindBeacon, Domain: "beta-updates.example", Period: Duration(2 * time.Minute), Jitter: 0.05, From: Duration(13 * time.Hour), To: Duration(17 * time.Hour),
			Request: 500, Response: 380, SizeJitter: 0.05, Why: "implant that lives for four hours: every 2 minutes ±5%"},
		{Name: "dead-server", Kind: KindBeacon, Port: 4444, Period: Duration(30 * time.Second), Jitter: 0.1, Fails: 1,
			Why: "implant whose server is gone: every attempt goes unanswered, every 30 seconds"},
		{Name: "behind-proxy", Kind: KindBeacon, Domain: "assets-cdn.example", Proxy: true, Period: Duration(7 * time.Minute), Jitter: 0.2,
			Request: 640, Response: 520, SizeJitter: 0.1, Why: "implant behind the web proxy: HTTP CONNECT every 7 minutes, ±20%; only the proxy talks to its server"},
		{Name: "long-tunnel", Kind: KindLong, Port: 443, Service: "none", Period: Duration(10 * time.Second), Jitter: 0.5, Duration: Duration(13 * time.Hour), SizeJitter: 0.1,
			Request: 3_000_000, Response: 900_000, Why: "reverse tunnel: one connection for half a day and another after it, on port 443 without TLS"},
		{Name: "strobe", Kind: KindStrobe, Port: 8080, Service: "none", Period: Duration(900 * time.Millisecond), Jitter: 0.1, Duration: Duration(40 * time.Millisecond),
			Request: 60, Response: 60, Why: "badly written implant: a connection every 0.9 seconds, all day"},
		{Name: "names-tunnel", Kind: KindDNSTunnel, Domain: "t.zone-sync.example", Period: Duration(20 * time.Second), Jitter: 0.4, Burst: 2,
			Why: "data in DNS names: two queries of random names every 20 seconds, through the site's resolver"},
	}
}
