export { type Config, defineConfig, env, type KafkaConfig, type SaslConfig } from "@reprise/processor";
