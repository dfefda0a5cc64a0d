-- A store of version 1, as SQLite's own dump of it: the last one before there were migrations.
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
) WITHOUT ROWID;
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
) WITHOUT ROWID;
INSERT INTO "devices" VALUES('pc-1','pc',1795348800000,NULL,NULL);
INSERT INTO "devices" VALUES('pi-1','raspberry',1795348800000,NULL,NULL);
CREATE TABLE heartbeats (
    process TEXT NOT NULL,
    at BIGINT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (process)
);
INSERT INTO "heartbeats" VALUES('consumer',1795348800000,'');
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
) WITHOUT ROWID;
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
INSERT INTO "schema_version" VALUES(1);
CREATE INDEX alert_events_outbox ON alert_events (stored_at, event_id);
CREATE INDEX alert_events_by_time ON alert_events (at, event_id);
CREATE INDEX alert_events_by_device ON alert_events (device_id, at, event_id);
CREATE INDEX alert_events_by_alert ON alert_events (alert_id);
CREATE INDEX alerts_by_time ON alerts (opened_at, alert_id);
CREATE INDEX alerts_by_device ON alerts (device_id, opened_at, alert_id);
CREATE INDEX alerts_open ON alerts (opened_at, alert_id) WHERE closed_at IS NULL;
CREATE INDEX deliveries_due ON deliveries (progress, due_at, event_id, target);
CREATE INDEX rule_changes_by_time ON rule_changes (changed_at, device_id, rule);
COMMIT;
