using ConcertSaga.Testing.Servers;

[assembly: AssemblyFixture(typeof(RabbitMqServer))]
// One class of twenty needs a broker, and minds little where it runs.
[assembly: Trait("Category", "RunOnce")]
