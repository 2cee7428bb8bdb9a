using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace ConcertSaga.Benchmarks.Sagas;

/// <summary>What every measured program over <c>Shared.Persistence</c> does in the same way.</summary>
internal static class SagaPersistence
{
    /// <summary>Builds a host that logs warnings and has one bus.</summary>
    public static IHost BuildHost(SagaSettings settings, Action<IBusRegistrationConfigurator> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddConsole().SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton(settings);
        builder.Services.AddMassTransit(bus =>
        {
            bus.DisableUsageTelemetry();
            configure(bus);
        });
        return builder.Build();
    }

    /// <summary>Registers a pooled context with its inbox and outbox.</summary>
    public static void AddContext<TContext>(IBusRegistrationConfigurator bus, NpgsqlDataSource source, int? rememberSeconds = null)
        where TContext : DbContext
    {
        bus.AddDbContextPool<TContext>(options => options.UseNpgsql(source));
        bus.AddEntityFrameworkOutbox<TContext>(outbox =>
        {
            outbox.UsePostgres();
            if (rememberSeconds is { } seconds)
                outbox.DuplicateDetectionWindow = TimeSpan.FromSeconds(seconds);
        });
    }

    public static void UseRetryAndOutbox<TContext>(IReceiveEndpointConfigurator endpoint, IRegistrationContext context)
        where TContext : DbContext
    {
        // The retry surrounds the outbox, so that each attempt has a fresh scope and transaction.
        endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<DbUpdateException>();
            retry.Intervals(10, 50, 200, 1000);
        });
        endpoint.UseEntityFrameworkOutbox<TContext>(context);
    }

    /// <summary>Creates the schema and the tables of a context.</summary>
    public static async Task CreateTablesAsync<TContext>(IHost host, NpgsqlDataSource source)
        where TContext : DbContext
    {
        await using var scope = host.Services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<TContext>().Database;
#pragma warning disable CA2100 // EF Core's own script.
        await using var command = source.CreateCommand(database.GenerateCreateScript());
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }
}
