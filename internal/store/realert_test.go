package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"dwell/internal/es"
	"dwell/internal/es/estest"
	"dwell/internal/hunt"
)

// fleet is a campaign with this many hosts, as a hunt finds it.
func fleet(hosts int, score float64) *subject {
	h := &sampleHunt{name: "fleet"}
	var wanted []*hunt.Finding
	for i := range hosts {
		h.add(fmt.Sprintf("10.1.1.%d", i+1), "203.0.113.7", score)
	}
	for i := range h.findings {
		f := &h.findings[i]
		f.Dwell.Campaign = &hunt.CampaignOf{ID: hunt.CampaignID("address", "203.0.113.7"), Name: "203.0.113.7", Hosts: int64(hosts)}
		wanted = append(wanted, f)
	}
	return subjects(wanted)[0]
}

// A campaign's findings are one subject, others are single, ordered by the strongest.
func TestOneSubjectACampaign(t *testing.T) {
	h := &sampleHunt{name: "x"}
	for i, campaign := range []string{"a", "", "a", "b", "alone"} {
		f := h.add(fmt.Sprintf("10.1.1.%d", i+1), "203.0.113.7", 0.9)
		if campaign != "" {
			f.Dwell.Campaign = &hunt.CampaignOf{ID: campaign, Name: campaign, Hosts: 2}
		}
		if campaign == "alone" {
			f.Dwell.Campaign.Hosts = 1
		}
	}
	var wanted []*hunt.Finding
	for i := range h.findings {
		wanted = append(wanted, &h.findings[i])
	}
	all := subjects(wanted)
	require.Len(t, all, 4)
	require.Equal(t, []string{"a", h.findings[1].Dwell.FindingID, "b", h.findings[4].Dwell.FindingID}, []string{all[0].id, all[1].id, all[2].id, all[3].id})
	require.Len(t, all[0].members, 2)
	id, a := newAlert(all[0], first, "")
	require.Equal(t, "campaign a, 2 hosts: beacon; seen for the first time", a.Message)
	require.Equal(t, &hunt.AlertOf{Subject: "a", Reason: "new", Hosts: 2, Findings: 2}, a.Dwell.Alert)
	again, _ := newAlert(all[0], first, "")
	require.Equal(t, id, again)
	other, _ := newAlert(all[2], first, "")
	require.NotEqual(t, id, other)
}

// News are joining hosts (one of a few, a fifth of many) and a rising severity, but not hosts that leave.
func TestWhatMakesACampaignNews(t *testing.T) {
	const again = 7 * 24 * time.Hour
	for _, c := range []struct {
		before, now int
		was, is     float64
		want        string
	}{
		{2, 2, 0.7, 0.7, ""},
		{2, 3, 0.7, 0.7, "hosts rose from 2 to 3"},
		{9, 10, 0.7, 0.7, "hosts rose from 9 to 10"},
		{40, 47, 0.7, 0.7, ""},
		{40, 48, 0.7, 0.7, "hosts rose from 40 to 48"},
		{40, 3, 0.7, 0.7, ""},
		{40, 3, 0.7, 0.9, "severity rose from high to critical"},
		{40, 40, 0.9, 0.7, ""},
	} {
		_, last := newAlert(fleet(c.before, c.was), first, "")
		why, ok := fleet(c.now, c.is).news(&last.Finding, again)
		require.Equal(t, c.want, why.Text)
		require.Equal(t, c.want != "", ok)
	}

	// The last alert's finding is compared with itself; if it is gone, only time counts.
	_, last := newAlert(fleet(3, 0.7), first, "")
	now := fleet(3, 0.7)
	now.members[0].Destination.Port = 8443
	why, _ := now.news(&last.Finding, again)
	require.Equal(t, "destination port changed from 443 to 8443", why.Text)
	now.members = now.members[1:]
	_, ok := now.news(&last.Finding, again)
	require.False(t, ok)
	now.lead.Event.Ingested.Time = now.lead.Event.Ingested.Add(again)
	why, _ = now.news(&last.Finding, again)
	require.Equal(t, "again", why.Code)

	// A single finding had an alert, and is now part of a campaign.
	_, last = newAlert(&subject{id: now.lead.Dwell.FindingID, hosts: 1, lead: now.lead, members: now.members[:1]}, first, "")
	why, _ = fleet(2, 0.7).news(&last.Finding, again)
	require.Equal(t, "hosts rose from 1 to 2", why.Text)
}

// An alert that was just closed is not closed again for another reason while the index does not show the change yet.
func TestAlertIsClosedOnce(t *testing.T) {
	h := &sampleHunt{name: t.Name(), revision: "a"}
	for i := range 2 {
		h.add(fmt.Sprintf("10.1.1.%d", i+1), "203.0.113.7", 0.9).Dwell.Campaign = &hunt.CampaignOf{ID: "c", Name: "x", Hosts: 2}
	}
	updates := 0
	client, err := es.New(es.Config{Addresses: []string{"http://127.0.0.1:9200"}, Transport: &estest.Fake{Handle: func(_ int, r estest.Request) estest.Reply {
		switch body := string(r.Body); {
		case r.Is("alert-so/_search") && strings.Contains(body, "event.escalated"):
			return estest.JSON(fmt.Sprintf(`{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"hits":[{"_id":"old","_index":".ds-x","_seq_no":1,"_primary_term":1,
				"_source":{"dwell":{"finding_id":%q}},"sort":["old"]}]}}`, h.findings[1].Dwell.FindingID))
		case r.Is("_bulk") && strings.Contains(body, `"update"`):
			if updates++; updates > 1 {
				return estest.JSON(`{"items":[{"update":{"_id":"old","status":409}}]}`)
			}
			require.Contains(t, body, `"acknowledged":true`)
			require.Contains(t, body, `"superseded":true`)
			require.Contains(t, body, `"if_seq_no":1`)
			return estest.JSON(`{"items":[{"update":{"_id":"old","status":200}}]}`)
		}
		return stands(r)
	}}})
	require.NoError(t, err)
	report, err := New(client, Options{Alerts: &AlertOptions{}}).Write(t.Context(), h.findings, h.document(begin))
	require.NoError(t, err)
	require.Equal(t, 1, report.Alerts.Acked)
	require.Equal(t, 1, updates)
}
