using ConcertSaga.Testing.Servers;

[assembly: AssemblyFixture(typeof(RabbitMqServer))]
