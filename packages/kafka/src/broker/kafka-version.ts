/** The release of Apache Kafka that the embedded broker runs. `kafka-jars.pom.xml` names the same; a test compares them. */
export const kafkaVersion = "4.1.1";
