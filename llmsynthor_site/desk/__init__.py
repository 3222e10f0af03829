"""The auditor's desk: what no single room can show, because it joins people, requests, ledger and log."""
