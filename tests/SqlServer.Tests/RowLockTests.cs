using ConcertSaga.SqlServer.Tests.Emulation;
using ConcertSaga.Testing;
using MassTransit;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.SqlServer.TransactSql.ScriptDom;
using Xunit;

namespace ConcertSaga.SqlServer.Tests;

/// <summary>
/// A saga with pessimistic concurrency is loaded with SQL Server's lock hints on its own table and on no other.
/// </summary>
public sealed class RowLockTests : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly EmulatedServer _server = new();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Saga_Loaded_IsLockedByItsTable(bool withLines)
    {
        await using (var tables = new SqliteParcelsDbContext(new DbContextOptionsBuilder<SqliteParcelsDbContext>()
            .UseSqlite(_server.AddressOf("Parcels")).Options))
            await tables.Database.EnsureCreatedAsync(TestContext.Current.CancellationToken);
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        if (Environment.GetEnvironmentVariable("CONCERT_TEST_LOG") is { Length: > 0 })
            builder.Logging.AddConsole();
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(options => options.WaitUntilStarted = true);
        builder.Services.AddMassTransit(bus =>
        {
            bus.AddSagaStateMachine<ParcelStateMachine, Parcel>()
                .EntityFrameworkRepository(repository =>
                {
                    repository.AddDbContext<DbContext, SqlServerParcelsDbContext>((_, options) => options.UseSqlServer("Server=emulated")
                        .AddInterceptors(_server));
                    repository.UseSqlServer();
                    if (withLines)
                        repository.CustomizeQuery(parcels => parcels.Include(parcel => parcel.Lines));
                })
                .Endpoint(endpoint => endpoint.Name = "parcels");
            bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));
        });
        using var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        var id = Guid.CreateVersion7();
        await host.Services.GetRequiredService<IBus>().Publish(new ParcelMoved(id, "by id"), TestContext.Current.CancellationToken);
        await MovesAreAsync(1);
        await host.Services.GetRequiredService<IBus>().Publish(new ParcelScanned("by id"), TestContext.Current.CancellationToken);
        await MovesAreAsync(2);
        await host.StopAsync(TestContext.Current.CancellationToken);

        var hints = new TableHints();
        var reads = _server.Statements.Select(statement => statement.Text)
            .Where(text => text.StartsWith("-- Row lock", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, reads.Count);
        foreach (var read in reads)
        {
            Sql.Parse(read).Accept(hints);
            Sql.ParseNewer(read);
        }
        Assert.All(hints.Found.Where(table => table.Name == "Parcels"),
            table => Assert.Equal([TableHintKind.UpdLock, TableHintKind.Rowlock], table.Hints));
        Assert.All(hints.Found.Where(table => table.Name == "Lines"), table => Assert.Empty(table.Hints));
        Assert.Equal(withLines, hints.Found.Exists(table => table.Name == "Lines"));

        Task MovesAreAsync(int moves) => Eventually.TrueAsync(async () =>
        {
            await using var scope = host.Services.CreateAsyncScope();
            return await scope.ServiceProvider.GetRequiredService<DbContext>().Set<Parcel>()
                .AnyAsync(parcel => parcel.CorrelationId == id && parcel.Moves == moves);
        }, Limit, $"the parcel has moved {moves} times");
    }

    private sealed class TableHints : TSqlFragmentVisitor
    {
        public List<(string Name, IReadOnlyList<TableHintKind> Hints)> Found { get; } = [];

        public override void ExplicitVisit(NamedTableReference node) =>
            Found.Add((node.SchemaObject.BaseIdentifier.Value, [.. node.TableHints.Select(hint => hint.HintKind)]));
    }
}

public sealed record ParcelMoved(Guid Id, string Label);

public sealed record ParcelScanned(string Label);

public sealed class Parcel : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public string Label { get; set; } = "";

    public int Moves { get; set; }

    public List<ParcelLine> Lines { get; set; } = [];
}

public sealed class ParcelLine
{
    public Guid Id { get; set; }
}

public sealed class ParcelStateMachine : MassTransitStateMachine<Parcel>
{
    public ParcelStateMachine()
    {
        InstanceState(parcel => parcel.CurrentState);
        Event(() => Moved, e => e.CorrelateById(context => context.Message.Id));
        Event(() => Scanned, e => e.CorrelateBy((parcel, context) => parcel.Label == context.Message.Label));
        Initially(When(Moved).Then(context => context.Saga.Label = context.Message.Label).Then(context => context.Saga.Moves++)
            .TransitionTo(Shipped));
        During(Shipped, When(Scanned).Then(context => context.Saga.Moves++));
    }

    public State Shipped { get; } = null!;

    public Event<ParcelMoved> Moved { get; } = null!;

    public Event<ParcelScanned> Scanned { get; } = null!;
}

public abstract class ParcelsDbContext(DbContextOptions options) : DbContext(options)
{
    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Parcel>(parcel =>
        {
            parcel.ToTable("Parcels");
            parcel.HasKey(p => p.CorrelationId);
            parcel.HasMany(p => p.Lines).WithOne();
        });
        modelBuilder.Entity<ParcelLine>().ToTable("Lines");
    }
}

public sealed class SqlServerParcelsDbContext(DbContextOptions<SqlServerParcelsDbContext> options) : ParcelsDbContext(options);

public sealed class SqliteParcelsDbContext(DbContextOptions<SqliteParcelsDbContext> options) : ParcelsDbContext(options);
