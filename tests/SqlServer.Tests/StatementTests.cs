#if !OFFICIAL_PERSISTENCE
using ConcertSaga.DataPlatform.Data;
using ConcertSaga.Operations.Data;
using ConcertSaga.Orchestrator.Reservations;
using ConcertSaga.Payments.Data;
using ConcertSaga.Points.Data;
using ConcertSaga.Queue.Data;
using ConcertSaga.Seats.Data;
using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.SqlServer.Tests.Scenarios;
using ConcertSaga.Testing;
using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

/// <summary>
/// Runs the whole product as configured for SQL Server against the <see cref="EmulatedServer"/>. Every statement it sends parses and names
/// only existing objects, and the test reaches every place in the source that sends a statement.
/// </summary>
public sealed class StatementTests : IAsyncDisposable
{
    private readonly EmulatedServer _server = new();
    private readonly ShiftedClock _clock = new();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Product_OnSqlServer_SendsOnlyValidStatements()
    {
        await _server.MigrateAsync();
        await using (var host = await StartAsync(keep: true, "Queue:PlaceRetention=01:00:00",
            "DataPlatform:Retention=01:00:00", "DataPlatform:MaxAge=01:00:00"))
        {
            var outbox = new OutboxScenario(host, _clock);
            await SeatsScenario.SeedAsync(host, _server);
            await ReservationScenario.ReserveAndPayAsync(host);
            await ReservationScenario.CompensateAsync(host);
            await ReservationScenario.ReadAsync(host);
            await ReservationScenario.OperateAsync(host);
            await ReservationScenario.HandleLateCommandsAsync(host, _clock);
            await SeatsScenario.LoseARaceForASeatAsync(host, _server);
            await ReservationScenario.CleanUnpaidAsync(host, _clock);
            await outbox.RecoverAsync();
            await outbox.RecoverManyAsync(outboxes: 2, messages: 2_500);
            await new QueueScenario(host, _clock).RunAsync();
            await RelayScenario.RunAsync(host, _clock);
            await FailedMessageScenario.RunAsync(host);
            await RetentionScenario.RunAsync(host, _clock);
            await SeatsScenario.OperateAsync(host);
            await InvariantScenario.RunAsync(host);
            await ErasureScenario.RunAsync(host);
            await SeatsScenario.ImportAsync(host);
        }
        await using (var host = await StartAsync(keep: false, "Faults:Enabled=true", "Faults:ConfirmSeats:RejectRate=1"))
        {
            await ReservationScenario.RejectTheLastStepAsync(host);
            await new OutboxScenario(host, _clock).RecoverManyAsync(outboxes: 2, messages: 2_500);
        }

        Assert.NotEmpty(_server.Statements);
        CheckNames();
        SourceCoverage.Check(_server.Places);
    }

    private Task<ProductHost> StartAsync(bool keep, params string[] settings) => ProductHost.StartAsync(
        _ => "Server=emulated", _clock,
        services =>
        {
            // With RabbitMQ, the product keeps no delivered messages.
            if (!keep)
                services.Select(service => service.ImplementationInstance).OfType<EntityFrameworkOutboxOptions<OrchestratorDbContext>>()
                    .Single().DeliveredRetention = TimeSpan.Zero;
            services
                .ConfigureDbContext<SqlServerOrchestratorDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerQueueDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerSeatsDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerPointsDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerPaymentsDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerDataPlatformDbContext>(options => options.AddInterceptors(_server))
                .ConfigureDbContext<SqlServerOperationsDbContext>(options => options.AddInterceptors(_server));
        },
        settings);

    private void CheckNames()
    {
        foreach (var owner in Owners.Names)
        {
            using var context = Owners.Create(owner);
            using var model = Sql.Model(context.Database.GenerateCreateScript());
            // The migration tool creates this table, and the health check writes to it.
            model.AddObjects("CREATE TABLE [__EFMigrationsHistory] ([MigrationId] nvarchar(150) NOT NULL PRIMARY KEY, "
                + "[ProductVersion] nvarchar(32) NOT NULL)");
            var number = 0;
            // Long statements only repeat a short one with more rows.
            foreach (var statement in _server.Statements.Where(statement => statement.Owner == owner && statement.Text.Length < 8_000))
            {
                // A procedure does not know the temporary tables of another, so they become plain tables here.
                var text = statement.Text.Replace("\"#", "\"", StringComparison.Ordinal);
                if (text.StartsWith("CREATE TABLE", StringComparison.Ordinal))
                    model.AddObjects(text);
                else if (!text.StartsWith("DROP TABLE", StringComparison.Ordinal))
                    model.AddObjects(Sql.Procedure($"P{number++}", text, statement.Parameters));
            }
            Assert.True(number > 0, $"{owner} sent nothing");
            Sql.HasNoErrors(model);
        }
    }
}
#endif
