using ConcertSaga.EndToEnd.Tests.Systems;
using ConcertSaga.Testing.Servers;
using Xunit;

[assembly: AssemblyFixture(typeof(PostgreSqlServer))]
[assembly: AssemblyFixture(typeof(RabbitMqServer))]
[assembly: AssemblyFixture(typeof(SystemFixture))]
[assembly: TestCollectionOrderer(typeof(SettingsOrder))]

// Each test may use all of the machine, and some stop what all of them share.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
