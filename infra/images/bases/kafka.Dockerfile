# Stands in for apache/kafka: the broker's jars on Debian's Java, behind the settings of the public image.
FROM carelog-base/debian
RUN apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 1000 --home-dir /opt/kafka kafka \
  && install -d -o kafka -g kafka /var/lib/kafka/data /opt/kafka/config
COPY libs /opt/kafka/libs
COPY log4j2.yaml /opt/kafka/log4j2.yaml
COPY kafka-entrypoint.sh /usr/local/bin/kafka-entrypoint.sh
USER kafka
EXPOSE 9092
ENTRYPOINT ["tini", "--", "kafka-entrypoint.sh"]
