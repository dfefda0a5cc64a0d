-- A store of version 3, as SQLite's own dump of it, made by the last commit that wrote that version.
BEGIN TRANSACTION;
CREATE TABLE alert_events (
	event_id TEXT NOT NULL,
	alert_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	rule TEXT NOT NULL,
	episode BIGINT NOT NULL,
	state TEXT NOT NULL,
	previous_state TEXT NOT NULL,
	at BIGINT NOT NULL,
	probability DOUBLE,
	expected_s DOUBLE,
	value DOUBLE,
	"limit" DOUBLE,
	causes TEXT,
	model_version TEXT,
	severity TEXT NOT NULL,
	stored_at BIGINT NOT NULL,
	PRIMARY KEY (event_id)
);
INSERT INTO "alert_events" VALUES('pi-1:heat:1:soon','pi-1:heat:1','pi-1','raspberry','heat',1,'soon','ok',1795348800000,0.87,60.0,74.0,80.0,'["temperature rises by 6 °C a minute"]','heat-1','warning',1795348800000);
CREATE TABLE alert_states (
	device_id TEXT NOT NULL,
	rule TEXT NOT NULL,
	level TEXT NOT NULL,
	episode BIGINT NOT NULL,
	since BIGINT NOT NULL,
	judged_log TEXT,
	judged_offset BIGINT,
	PRIMARY KEY (device_id, rule)
)
 WITHOUT ROWID

;
INSERT INTO "alert_states" VALUES('pc-1','heat','ok',0,0,NULL,NULL);
INSERT INTO "alert_states" VALUES('pi-1','heat','soon',1,0,NULL,NULL);
CREATE TABLE alerts (
	alert_id TEXT NOT NULL,
	device_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	rule TEXT NOT NULL,
	episode BIGINT NOT NULL,
	state TEXT NOT NULL,
	severity TEXT NOT NULL,
	opened_at BIGINT NOT NULL,
	changed_at BIGINT NOT NULL,
	closed_at BIGINT,
	stressed_at BIGINT,
	probability DOUBLE,
	expected_s DOUBLE,
	value DOUBLE,
	"limit" DOUBLE,
	causes TEXT,
	model_version TEXT,
	PRIMARY KEY (alert_id)
);
INSERT INTO "alerts" VALUES('pi-1:heat:1','pi-1','raspberry','heat',1,'soon','warning',1795348800000,1795348800000,NULL,NULL,0.87,60.0,74.0,80.0,'["temperature rises by 6 °C a minute"]','heat-1');
CREATE TABLE api_keys (
	key_id TEXT NOT NULL,
	digest TEXT NOT NULL,
	name TEXT NOT NULL,
	scopes TEXT,
	device_id TEXT,
	created_at BIGINT NOT NULL,
	expires_at BIGINT,
	revoked_at BIGINT,
	PRIMARY KEY (key_id)
);
INSERT INTO "api_keys" VALUES('k1','abababababababababababababababababababababababababababababababab','Ada','["read"]',NULL,1795348800000,NULL,NULL);
CREATE TABLE chats (
	chat_id TEXT NOT NULL,
	title TEXT NOT NULL,
	subscribed_at BIGINT NOT NULL,
	active BOOLEAN NOT NULL,
	PRIMARY KEY (chat_id)
);
INSERT INTO "chats" VALUES('telegram:42','Ada',1795348800000,1);
CREATE TABLE deliveries (
	event_id TEXT NOT NULL,
	target TEXT NOT NULL,
	due_at BIGINT NOT NULL,
	progress TEXT NOT NULL,
	attempts INTEGER NOT NULL,
	sent_at BIGINT,
	message_id TEXT,
	error TEXT,
	PRIMARY KEY (event_id, target)
);
INSERT INTO "deliveries" VALUES('pi-1:heat:1:soon','telegram:42',1795348800000,'waiting',0,NULL,NULL,NULL);
CREATE TABLE delivery_positions (
	reader TEXT NOT NULL,
	upto BIGINT NOT NULL,
	PRIMARY KEY (reader)
);
INSERT INTO "delivery_positions" VALUES('bot',1795348800000);
CREATE TABLE devices (
	device_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	first_seen_at BIGINT NOT NULL,
	clock_ahead_ms BIGINT,
	clock_ahead_at BIGINT,
	PRIMARY KEY (device_id)
)
 WITHOUT ROWID

;
INSERT INTO "devices" VALUES('pc-1','pc',1795348800000,NULL,NULL);
INSERT INTO "devices" VALUES('pi-1','raspberry',1795348800000,NULL,NULL);
CREATE TABLE fleetpulse_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT fleetpulse_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "fleetpulse_version" VALUES('0003');
CREATE TABLE heartbeats (
	process TEXT NOT NULL,
	at BIGINT NOT NULL,
	detail TEXT NOT NULL,
	PRIMARY KEY (process)
);
INSERT INTO "heartbeats" VALUES('consumer',1795348800000,'');
CREATE TABLE hours (
	device_id TEXT NOT NULL,
	measured_at BIGINT NOT NULL,
	count INTEGER NOT NULL,
	probability DOUBLE,
	temperature_c_count INTEGER,
	temperature_c_min DOUBLE,
	temperature_c_max DOUBLE,
	temperature_c_mean DOUBLE,
	temperature_c_last DOUBLE,
	power_w_count INTEGER,
	power_w_min DOUBLE,
	power_w_max DOUBLE,
	power_w_mean DOUBLE,
	power_w_last DOUBLE,
	load_pct_count INTEGER,
	load_pct_min DOUBLE,
	load_pct_max DOUBLE,
	load_pct_mean DOUBLE,
	load_pct_last DOUBLE,
	voltage_v_count INTEGER,
	voltage_v_min DOUBLE,
	voltage_v_max DOUBLE,
	voltage_v_mean DOUBLE,
	voltage_v_last DOUBLE,
	fan_cfm_count INTEGER,
	fan_cfm_min DOUBLE,
	fan_cfm_max DOUBLE,
	fan_cfm_mean DOUBLE,
	fan_cfm_last DOUBLE,
	clock_ghz_count INTEGER,
	clock_ghz_min DOUBLE,
	clock_ghz_max DOUBLE,
	clock_ghz_mean DOUBLE,
	clock_ghz_last DOUBLE,
	requested_clock_ghz_count INTEGER,
	requested_clock_ghz_min DOUBLE,
	requested_clock_ghz_max DOUBLE,
	requested_clock_ghz_mean DOUBLE,
	requested_clock_ghz_last DOUBLE,
	load_1m_count INTEGER,
	load_1m_min DOUBLE,
	load_1m_max DOUBLE,
	load_1m_mean DOUBLE,
	load_1m_last DOUBLE,
	throttled_count INTEGER,
	throttled_min DOUBLE,
	throttled_max DOUBLE,
	throttled_mean DOUBLE,
	throttled_last DOUBLE,
	undervoltage_count INTEGER,
	undervoltage_min DOUBLE,
	undervoltage_max DOUBLE,
	undervoltage_mean DOUBLE,
	undervoltage_last DOUBLE,
	memory_pct_count INTEGER,
	memory_pct_min DOUBLE,
	memory_pct_max DOUBLE,
	memory_pct_mean DOUBLE,
	memory_pct_last DOUBLE,
	disk_pct_count INTEGER,
	disk_pct_min DOUBLE,
	disk_pct_max DOUBLE,
	disk_pct_mean DOUBLE,
	disk_pct_last DOUBLE,
	PRIMARY KEY (device_id, measured_at)
)
 WITHOUT ROWID

;
INSERT INTO "hours" VALUES('pi-1',1795348800000,1,NULL,1,51.5,51.5,51.5,51.5,0,NULL,NULL,NULL,NULL,1,20.0,20.0,20.0,20.0,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
CREATE TABLE minutes (
	device_id TEXT NOT NULL,
	measured_at BIGINT NOT NULL,
	count INTEGER NOT NULL,
	probability DOUBLE,
	temperature_c_count INTEGER,
	temperature_c_min DOUBLE,
	temperature_c_max DOUBLE,
	temperature_c_mean DOUBLE,
	temperature_c_last DOUBLE,
	power_w_count INTEGER,
	power_w_min DOUBLE,
	power_w_max DOUBLE,
	power_w_mean DOUBLE,
	power_w_last DOUBLE,
	load_pct_count INTEGER,
	load_pct_min DOUBLE,
	load_pct_max DOUBLE,
	load_pct_mean DOUBLE,
	load_pct_last DOUBLE,
	voltage_v_count INTEGER,
	voltage_v_min DOUBLE,
	voltage_v_max DOUBLE,
	voltage_v_mean DOUBLE,
	voltage_v_last DOUBLE,
	fan_cfm_count INTEGER,
	fan_cfm_min DOUBLE,
	fan_cfm_max DOUBLE,
	fan_cfm_mean DOUBLE,
	fan_cfm_last DOUBLE,
	clock_ghz_count INTEGER,
	clock_ghz_min DOUBLE,
	clock_ghz_max DOUBLE,
	clock_ghz_mean DOUBLE,
	clock_ghz_last DOUBLE,
	requested_clock_ghz_count INTEGER,
	requested_clock_ghz_min DOUBLE,
	requested_clock_ghz_max DOUBLE,
	requested_clock_ghz_mean DOUBLE,
	requested_clock_ghz_last DOUBLE,
	load_1m_count INTEGER,
	load_1m_min DOUBLE,
	load_1m_max DOUBLE,
	load_1m_mean DOUBLE,
	load_1m_last DOUBLE,
	throttled_count INTEGER,
	throttled_min DOUBLE,
	throttled_max DOUBLE,
	throttled_mean DOUBLE,
	throttled_last DOUBLE,
	undervoltage_count INTEGER,
	undervoltage_min DOUBLE,
	undervoltage_max DOUBLE,
	undervoltage_mean DOUBLE,
	undervoltage_last DOUBLE,
	memory_pct_count INTEGER,
	memory_pct_min DOUBLE,
	memory_pct_max DOUBLE,
	memory_pct_mean DOUBLE,
	memory_pct_last DOUBLE,
	disk_pct_count INTEGER,
	disk_pct_min DOUBLE,
	disk_pct_max DOUBLE,
	disk_pct_mean DOUBLE,
	disk_pct_last DOUBLE,
	PRIMARY KEY (device_id, measured_at)
)
 WITHOUT ROWID

;
INSERT INTO "minutes" VALUES('pi-1',1795348800000,1,NULL,1,51.5,51.5,51.5,51.5,0,NULL,NULL,NULL,NULL,1,20.0,20.0,20.0,20.0,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL);
CREATE TABLE readings (
	device_id TEXT NOT NULL,
	measured_at BIGINT NOT NULL,
	seq BIGINT NOT NULL,
	temperature_c DOUBLE,
	power_w DOUBLE,
	load_pct DOUBLE,
	voltage_v DOUBLE,
	fan_cfm DOUBLE,
	clock_ghz DOUBLE,
	requested_clock_ghz DOUBLE,
	load_1m DOUBLE,
	throttled DOUBLE,
	undervoltage DOUBLE,
	memory_pct DOUBLE,
	disk_pct DOUBLE,
	rejected INTEGER NOT NULL,
	probability DOUBLE,
	expected_s DOUBLE,
	status TEXT NOT NULL,
	causes TEXT,
	model_version TEXT,
	PRIMARY KEY (device_id, measured_at, seq)
)
 WITHOUT ROWID

;
INSERT INTO "readings" VALUES('pc-1',1795348800000,1,51.5,NULL,20.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'ok',NULL,NULL);
INSERT INTO "readings" VALUES('pi-1',1795348800000,1,51.5,NULL,20.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,'soon','["heat"]',NULL);
CREATE TABLE rule_changes (
	device_id TEXT NOT NULL,
	rule TEXT NOT NULL,
	"limit" DOUBLE,
	hold_s DOUBLE,
	threshold DOUBLE,
	severity TEXT,
	enabled BOOLEAN,
	changed_at BIGINT NOT NULL,
	PRIMARY KEY (device_id, rule)
);
INSERT INTO "rule_changes" VALUES('pi-1','heat',70.0,NULL,NULL,NULL,NULL,1795348800000);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(2);
CREATE TABLE verdicts (
	alert_id TEXT NOT NULL,
	opinion TEXT NOT NULL,
	said_at BIGINT NOT NULL,
	said_by TEXT NOT NULL,
	PRIMARY KEY (alert_id)
);
INSERT INTO "verdicts" VALUES('pi-1:heat:1','right',1795348800000,'telegram:42');
CREATE INDEX alert_events_outbox ON alert_events (stored_at, event_id);
CREATE INDEX alert_events_by_alert ON alert_events (alert_id);
CREATE INDEX alert_events_by_device ON alert_events (device_id, at, event_id);
CREATE INDEX alert_events_by_time ON alert_events (at, event_id);
CREATE INDEX alerts_by_time ON alerts (opened_at, alert_id);
CREATE INDEX alerts_by_device ON alerts (device_id, opened_at, alert_id);
CREATE INDEX alerts_open ON alerts (opened_at, alert_id) WHERE closed_at IS NULL;
CREATE INDEX deliveries_due ON deliveries (progress, due_at, event_id, target);
CREATE INDEX rule_changes_by_time ON rule_changes (changed_at, device_id, rule);
CREATE INDEX readings_rejected ON readings (device_id, measured_at, rejected) WHERE rejected > 0;
COMMIT;
