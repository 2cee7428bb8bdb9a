using ConcertSaga.Testing.Processes;
using ConcertSaga.Testing.Servers;
using Xunit;

namespace ConcertSaga.Testing.Tests.Processes;

public sealed class ServiceProcessTests(PostgreSqlServer database, RabbitMqServer broker)
{
    private const string Payments = "Services/Payments";

    [Fact]
    public async Task ServiceProcess_RestartedAfterAKill_IsReadyAndStopsInOrder()
    {
        string[] arguments =
        [
            "--Database:Provider=PostgreSql", $"--ConnectionStrings:Payments={await database.CreateDatabaseAsync("payments")}",
            $"--ConnectionStrings:RabbitMq={await broker.CreateVirtualHostAsync("payments")}", "--Gateway:Secret=a secret of the tests"
        ];
        var (migrated, output) = await ServiceProcess.RunAsync(Payments, ["migrate", .. arguments]);
        Assert.True(migrated == 0, output);

        await using var service = await ServiceProcess.StartAsync(Payments, arguments);
        var first = service.ProcessId;
        await service.KillAsync();
        Assert.True(service.HasExited);

        await service.StartAgainAsync();
        Assert.NotEqual(first, service.ProcessId);
        Assert.Equal(0, await service.StopAsync());
    }

    [Fact]
    public async Task ServiceProcess_WithoutASetting_EndsWithOneLine()
    {
        var (code, output) = await ServiceProcess.RunAsync(Payments, []);

        Assert.Equal(1, code);
        Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }
}
