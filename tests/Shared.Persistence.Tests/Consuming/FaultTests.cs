using System.Diagnostics;
using ConcertSaga.Shared.Persistence.Tests.Hosts;
using ConcertSaga.Testing;
using ConcertSaga.Testing.Servers;
using MassTransit;
using MassTransit.Courier.Contracts;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Shared.Persistence.Tests.Consuming;

/// <summary>A failed commit is reported like a failed handler: with one fault of the message, and at once to a request's client.</summary>
public sealed class FaultTests(PostgreSqlServer server)
{
    private const Change Accepted = Change.Plain, Refused = Change.KeyToCome;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>The kind of handler under test.</summary>
    public enum Handler
    {
        Consumer,
        Saga,
        Activity
    }

    /// <summary>The place of the retry policy, relative to the outbox.</summary>
    public enum Retry
    {
        None,
        Outside,
        Inside
    }

    public static MatrixTheoryData<Store, Handler, Retry> Ways =>
        new(Enum.GetValues<Store>(), Enum.GetValues<Handler>(), Enum.GetValues<Retry>());

    // An activity is excluded, because a routing slip is not a request.
    public static MatrixTheoryData<Store, Handler, Retry> Requests =>
        new(Enum.GetValues<Store>(), Enum.GetValues<Handler>().Where(handler => handler != Handler.Activity), Enum.GetValues<Retry>());

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Commit_ThatFails_IsOneFaultOfItsMessage(Store store, Handler handler, Retry retry)
    {
        await using var database = await CreateAsync(store);
        await using var host = await StartAsync(database, retry, isolation: null);
        var id = Guid.CreateVersion7();
        await SendAsync(host, handler, id, isRefused: true);
        await Eventually.TrueAsync(() => host.Journal.Count<string>(_ => true) > 0, Limit, "a fault arrives");
        // The endpoint handles one message at a time, so it is done with the first when the next arrives.
        await SendAsync(host, handler, Guid.CreateVersion7(), isRefused: false);
        await Eventually.TrueAsync(() => host.Journal.Count<ItemSold>(_ => true) == 1, Limit, "the next one is handled");
        Assert.Equal([Expected(handler)], host.Journal.All<string>());
        await using var after = new StrictDbContext(database.OptionsOf<StrictDbContext>());
        Assert.Equal(0, await after.Set<Parcel>().CountAsync(parcel => parcel.CorrelationId == id, TestContext.Current.CancellationToken));
    }

    /// <summary>With this isolation level each message has its own transaction from the start.</summary>
    [Theory]
    [MemberData(nameof(Stores.All), MemberType = typeof(Stores))]
    public async Task Commit_OfItsOwnTransactionThatFails_IsOneFaultOfItsMessage(Store store)
    {
        await using var database = await CreateAsync(store);
        await using var host = await StartAsync(database, Retry.None, System.Data.IsolationLevel.Serializable);
        await SendAsync(host, Handler.Consumer, Guid.CreateVersion7(), isRefused: true);
        await SendAsync(host, Handler.Saga, Guid.CreateVersion7(), isRefused: true);
        await Eventually.TrueAsync(() => host.Journal.Count<string>(_ => true) >= 2, Limit, "faults arrive");
        Assert.Equal([Expected(Handler.Consumer), Expected(Handler.Saga)], host.Journal.All<string>().Order());
    }

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Request_WhoseCommitFails_FailsAtOnce(Store store, Handler handler, Retry retry)
    {
        await using var database = await CreateAsync(store);
        await using var host = await StartAsync(database, retry, isolation: null);
        await using var scope = host.Services.CreateAsyncScope();
        var id = Guid.CreateVersion7();
        var watch = Stopwatch.StartNew();
        var failure = await Assert.ThrowsAsync<RequestFaultException>(() => handler == Handler.Consumer
            ? scope.ServiceProvider.GetRequiredService<IRequestClient<ChangeRows>>()
                .GetResponse<RowsChanged>(new ChangeRows(id, Refused), TestContext.Current.CancellationToken, Limit)
            : scope.ServiceProvider.GetRequiredService<IRequestClient<ParcelWeighed>>()
                .GetResponse<RowsChanged>(new ParcelWeighed(id, -1), TestContext.Current.CancellationToken, Limit));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, Limit / 3);
        Assert.NotEmpty(failure.Fault!.Exceptions);
        Assert.Empty(host.Journal.All<string>());
    }

    /// <summary>Without its tables the look into the inbox fails, before any handler runs.</summary>
    [Theory]
    [InlineData(Store.Sqlite)]
    [InlineData(Store.PostgreSqlRetrying)]
    public async Task Request_WhoseInboxCannotBeRead_FailsAtOnce(Store store)
    {
        await using var database = await TestDatabase.CreateEmptyAsync(store, server);
        await using var host = await StartAsync(database, Retry.None, isolation: null);
        await using var scope = host.Services.CreateAsyncScope();
        await Assert.ThrowsAsync<RequestFaultException>(() => scope.ServiceProvider.GetRequiredService<IRequestClient<ChangeRows>>()
            .GetResponse<RowsChanged>(new ChangeRows(Guid.CreateVersion7(), Refused), TestContext.Current.CancellationToken, Limit));
    }

    /// <summary>MassTransit moves skipped messages to a queue of their own. A duplicate is not one of them.</summary>
    [Theory]
    [MemberData(nameof(Stores.Plain), MemberType = typeof(Stores))]
    public async Task Duplicate_IsConsumed_NotSkipped(Store store)
    {
        await using var database = await CreateAsync(store);
        await using var host = await StartAsync(database, Retry.None, isolation: null,
            bus => bus.AddConsumer<SkippedConsumer>().Endpoint(endpoint => endpoint.Name = "shelf_skipped"));
        var id = Guid.CreateVersion7();
        for (var time = 0; time < 3; time++)
            await host.SendAsync("shelf", new ChangeRows(id, Accepted), id);
        await using var after = new StrictDbContext(database.OptionsOf<StrictDbContext>());
        await Eventually.TrueAsync(() => after.Set<MassTransit.EntityFrameworkCoreIntegration.InboxState>()
            .AnyAsync(row => row.ReceiveCount == 3), Limit, "all are counted");
        await host.SendAsync("shelf_skipped", new RowsChanged(id));
        await Eventually.TrueAsync(() => host.Journal.Count<RowsChanged>(_ => true) > 0, Limit, "the queue of skipped messages is read");
        Assert.Equal(0, host.Journal.Count<ChangeRows>(_ => true));
    }

    private static string Expected(Handler handler) => handler switch
    {
        Handler.Consumer => "Fault<ChangeRows>",
        Handler.Saga => "Fault<ParcelWeighed>",
        _ => "Fault<RoutingSlip>"
    };

    private static async Task SendAsync(CustomHost host, Handler handler, Guid id, bool isRefused)
    {
        switch (handler)
        {
            case Handler.Consumer:
                await host.SendAsync("shelf", new ChangeRows(id, isRefused ? Refused : Accepted));
                break;
            case Handler.Saga:
                await host.SendAsync("parcels", new ParcelWeighed(id, isRefused ? -1 : 1));
                break;
            default:
                var slip = new RoutingSlipBuilder(id);
                slip.AddActivity("Stow", new Uri("queue:stow"), new StowArguments(id, isRefused));
                await host.Bus.Execute(slip.Build());
                break;
        }
    }

    private async Task<TestDatabase> CreateAsync(Store store)
    {
        var database = await TestDatabase.CreateEmptyAsync(store, server);
        await using var context = new StrictDbContext(database.OptionsOf<StrictDbContext>());
        await context.Database.EnsureCreatedAsync();
        return database;
    }

    private static Task<CustomHost> StartAsync(
        TestDatabase database, Retry retry, System.Data.IsolationLevel? isolation, Action<IBusRegistrationConfigurator>? more = null) =>
        CustomHost.StartAsync(services =>
        {
            services.AddDbContext<StrictDbContext>(database.Use);
            services.AddMassTransit(bus =>
            {
                bus.AddEntityFrameworkOutbox<StrictDbContext>(outbox =>
                {
                    outbox.QueryDelay = TimeSpan.FromMilliseconds(50);
                    if (isolation is { } level)
                        outbox.IsolationLevel = level;
                });
                bus.AddConsumer<ShelfConsumer>((_, consumer) => Inside(consumer.UseMessageRetry))
                    .Endpoint(endpoint => endpoint.Name = "shelf");
                bus.AddSagaStateMachine<SellingStateMachine, Parcel>((_, saga) => Inside(saga.UseMessageRetry))
                    .EntityFrameworkRepository(repository =>
                    {
                        repository.ConcurrencyMode = ConcurrencyMode.Optimistic;
                        repository.ExistingDbContext<StrictDbContext>();
                    })
                    .Endpoint(endpoint => endpoint.Name = "parcels");
                bus.AddExecuteActivity<StowActivity, StowArguments>().Endpoint(endpoint => endpoint.Name = "stow");
                bus.AddConsumer<ItemSoldConsumer>().Endpoint(endpoint => endpoint.Name = "sold");
                bus.AddConsumer<FaultConsumer>().Endpoint(endpoint => endpoint.Name = "faults");
                bus.AddRequestClient<ChangeRows>(new Uri("queue:shelf"));
                bus.AddRequestClient<ParcelWeighed>(new Uri("queue:parcels"));
                more?.Invoke(bus);
                bus.AddConfigureEndpointsCallback((context, name, endpoint) =>
                {
                    if (name is not ("shelf" or "parcels" or "stow"))
                        return;
                    endpoint.ConcurrentMessageLimit = 1;
                    if (retry == Retry.Outside)
                        endpoint.UseMessageRetry(policy => policy.Immediate(2));
                    endpoint.UseEntityFrameworkOutbox<StrictDbContext>(context);
                });
                bus.UsingInMemory((context, transport) => transport.ConfigureEndpoints(context));

                void Inside(Action<Action<IRetryConfigurator>> use) =>
                    use(policy => _ = retry == Retry.Inside ? policy.Immediate(2) : policy.None());
            });
        });

    /// <summary>Rejects parcels without a weight at the save.</summary>
    public sealed class StrictDbContext(DbContextOptions<StrictDbContext> options) : DbContext(options)
    {
        protected override void OnModelCreating(ModelBuilder modelBuilder)
        {
            modelBuilder.Entity<Parcel>(parcel =>
            {
                parcel.HasKey(row => row.CorrelationId);
                parcel.Property(row => row.CorrelationId).ValueGeneratedNever();
                parcel.Ignore(row => row.RowVersion);
                parcel.Property(row => row.Grams).IsConcurrencyToken();
                parcel.ToTable(table => table.HasCheckConstraint("HasWeight", "\"Grams\" > 0"));
            });
            modelBuilder.AddTransactionalOutboxEntities();
        }
    }

    public sealed class ShelfConsumer(StrictDbContext database) : IConsumer<ChangeRows>
    {
        public async Task Consume(ConsumeContext<ChangeRows> context)
        {
            database.Add(new Parcel { CorrelationId = context.Message.Id, Grams = context.Message.Change == Refused ? -1 : 1 });
            await context.Publish(new ItemSold(context.Message.Id, "shelf"));
        }
    }

    public sealed class SellingStateMachine : MassTransitStateMachine<Parcel>
    {
        public SellingStateMachine()
        {
            InstanceState(parcel => parcel.CurrentState);
            Event(() => ParcelWeighed, e => e.CorrelateById(context => context.Message.Id));
            Initially(When(ParcelWeighed)
                .Then(context => context.Saga.Grams = context.Message.Grams)
                .Publish(context => new ItemSold(context.Message.Id, "parcels"))
                .TransitionTo(Packed));
        }

        public State Packed { get; } = null!;

        public Event<ParcelWeighed> ParcelWeighed { get; } = null!;
    }

    public sealed record StowArguments(Guid Id, bool IsRefused);

    public sealed class StowActivity(StrictDbContext database) : IExecuteActivity<StowArguments>
    {
        public async Task<ExecutionResult> Execute(ExecuteContext<StowArguments> context)
        {
            database.Add(new Parcel { CorrelationId = context.Arguments.Id, Grams = context.Arguments.IsRefused ? -1 : 1 });
            await context.Publish(new ItemSold(context.Arguments.Id, "stow"));
            return context.Completed();
        }
    }

    private sealed class SkippedConsumer(Journal journal) : IConsumer<ChangeRows>, IConsumer<RowsChanged>
    {
        public Task Consume(ConsumeContext<ChangeRows> context) => NoteAsync(context.Message);

        public Task Consume(ConsumeContext<RowsChanged> context) => NoteAsync(context.Message);

        private Task NoteAsync(object message)
        {
            journal.Note(message);
            return Task.CompletedTask;
        }
    }

    private sealed class FaultConsumer(Journal journal)
        : IConsumer<Fault<ChangeRows>>, IConsumer<Fault<ParcelWeighed>>, IConsumer<Fault<RoutingSlip>>, IConsumer<ReceiveFault>
    {
        public Task Consume(ConsumeContext<Fault<ChangeRows>> context) => NoteAsync("Fault<ChangeRows>");

        public Task Consume(ConsumeContext<Fault<ParcelWeighed>> context) => NoteAsync("Fault<ParcelWeighed>");

        public Task Consume(ConsumeContext<Fault<RoutingSlip>> context) => NoteAsync("Fault<RoutingSlip>");

        public Task Consume(ConsumeContext<ReceiveFault> context) => NoteAsync("ReceiveFault");

        private Task NoteAsync(string kind)
        {
            journal.Note(kind);
            return Task.CompletedTask;
        }
    }
}
