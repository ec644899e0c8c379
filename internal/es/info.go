package es

import (
	"context"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Info is who answers.
type Info struct {
	Name        string `json:"name"`
	ClusterName string `json:"cluster_name"`
	ClusterUUID string `json:"cluster_uuid"`
	Version     struct {
		Number string `json:"number"`
	} `json:"version"`
}

// Info asks the cluster for its name and version: the cheapest proof that address, certificate and credentials are good.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	err := c.Do(ctx, Call{Op: "connect to " + c.addresses[0], Request: esapi.InfoRequest{}, Decode: JSON(&info)})
	return info, err
}
