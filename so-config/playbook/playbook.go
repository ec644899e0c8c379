// Package playbook makes what Security Onion 3's Alerts shows beside an alert of dwell's: a playbook for each rule, with the
// questions that an analyst asks and a query for each.
//
// Security Onion finds a playbook by the detection that bears the alert's rule.uuid, so there is a Sigma rule for each, too. It is
// there for its name only: switched on, it would raise a second alert for each of dwell's.
package playbook

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"dwell/internal/hunt"
)

// Playbook is a file of Security Onion's form. ID is fixed, DetectionID the rule.uuid of the alerts.
type Playbook struct {
	Name              string     `yaml:"name"`
	ID                string     `yaml:"id"`
	Description       string     `yaml:"description"`
	Type              string     `yaml:"type"`
	DetectionID       string     `yaml:"detection_id"`
	DetectionCategory string     `yaml:"detection_category"`
	DetectionType     string     `yaml:"detection_type"`
	Contributors      []string   `yaml:"contributors"`
	Created           string     `yaml:"created"`
	Questions         []Question `yaml:"questions"`
}

// Question is what an analyst asks. Query is a fragment of a Sigma rule, in which %name% stands for a field of the alert. Range is
// time around the alert's; a question without one is about the alert itself.
type Question struct {
	Question string   `yaml:"question"`
	Context  string   `yaml:"context"`
	Range    string   `yaml:"range,omitempty"`
	Sources  []string `yaml:"answer_sources,omitempty"`
	Query    string   `yaml:"query"`
}

// Rule is a Sigma rule that matches the alerts of one rule of dwell's.
type Rule struct {
	Title       string         `yaml:"title"`
	ID          string         `yaml:"id"`
	Status      string         `yaml:"status"`
	Description string         `yaml:"description"`
	Author      string         `yaml:"author"`
	Date        string         `yaml:"date"`
	Tags        []string       `yaml:"tags"`
	Logsource   map[string]any `yaml:"logsource"`
	Detection   map[string]any `yaml:"detection"`
	Level       string         `yaml:"level"`
}

// created is when the playbooks were written first.
const created = "2026-11-28"

// Files gives every file by its path below so-config: playbooks in soc/playbooks and rules in soc/sigma, named for the rule.
func Files() (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, k := range kinds() {
		rule := k.rule
		description := k.description + " Leave this rule disabled: dwell raises the alert itself, and the rule only leads to its playbook. Tune with dwell safelist.\n"
		if err := add(out, "soc/sigma/"+rule.UUID+".yml", Rule{Title: rule.Name, ID: rule.UUID, Status: "stable", Description: description, Author: "dwell", Date: created,
			Tags: k.tags, Logsource: map[string]any{"product": "dwell", "service": "alert"}, Level: "high",
			Detection: map[string]any{"selection": map[string]any{"event.dataset": "dwell.alert", "rule.uuid": rule.UUID}, "condition": "selection"}}); err != nil {
			return nil, err
		}
		if err := add(out, "soc/playbooks/"+rule.UUID+".yaml", Playbook{Name: rule.Name, ID: k.id(), Description: k.description + "\n", Type: "detection",
			DetectionID: rule.UUID, DetectionType: "sigma", Contributors: []string{"dwell"}, Created: created, Questions: k.questions}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func add(out map[string][]byte, path string, v any) error {
	var b bytes.Buffer
	b.WriteString("# Made by the Go package so-config/playbook.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	out[path] = b.Bytes()
	return e.Close()
}

// kind is a rule of dwell's and what is asked about its alerts.
type kind struct {
	rule        hunt.Rule
	description string
	// tags are ATT&CK techniques, as Sigma writes them.
	tags      []string
	questions []Question
}

// id is the playbook's own: the rule's, with another last group.
func (k *kind) id() string { return k.rule.UUID[:24] + "1" + k.rule.UUID[25:] }
