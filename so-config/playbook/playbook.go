// Package playbook generates what Security Onion 3's Alerts shows beside dwell's alerts: a playbook per rule, with an
// analyst's questions and a query for each.
//
// Security Onion finds a playbook by the detection with the alert's rule.uuid, so each rule also has a Sigma rule. It
// exists only for that: enabled, it would raise a second alert for each of dwell's.
package playbook

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"dwell/internal/hunt"
)

// Playbook is a file in Security Onion's format. ID is fixed; DetectionID is the alerts' rule.uuid.
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

// Question is an analyst's question. Query is a fragment of a Sigma rule, in which %name% is a field of the alert.
// Range is the time around the alert; a question without one is about the alert itself.
type Question struct {
	Question string   `yaml:"question"`
	Context  string   `yaml:"context"`
	Range    string   `yaml:"range,omitempty"`
	Sources  []string `yaml:"answer_sources,omitempty"`
	Query    string   `yaml:"query"`
}

// Rule is a Sigma rule that matches the alerts of one of dwell's rules.
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

// created is the date in the playbooks.
const created = "2026-11-28"

// Files returns every file by its path under so-config: playbooks in soc/playbooks and rules in soc/sigma, named after
// the rule.
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

// kind is one of dwell's rules with the questions about its alerts.
type kind struct {
	rule        hunt.Rule
	description string
	// tags are ATT&CK techniques in Sigma's format.
	tags      []string
	questions []Question
}

// id is the playbook's id: the rule's, with another last group.
func (k *kind) id() string { return k.rule.UUID[:24] + "1" + k.rule.UUID[25:] }
