using MassTransit;
using Microsoft.EntityFrameworkCore;

namespace ConcertSaga.Shared.Persistence.Tests.Hosts;

public sealed record OrderPlaced(Guid Id, string Number);

public sealed record ItemAdded(Guid Id, string Item);

public sealed record GetOrder(string Number);

public sealed record OrderDetails(Guid Id, int Items, int Lines);

public sealed record OrderNotFound(string Number);

/// <summary>A saga with child rows and without a concurrency token.</summary>
public sealed class Order : SagaStateMachineInstance
{
    public Guid CorrelationId { get; set; }

    public string CurrentState { get; set; } = "";

    public string Number { get; set; } = "";

    public int Items { get; set; }

    public List<OrderLine> Lines { get; set; } = [];
}

public sealed class OrderLine
{
    public Guid Id { get; set; }

    public string Item { get; set; } = "";
}

public sealed class OrderStateMachine : MassTransitStateMachine<Order>
{
    public OrderStateMachine(Journal journal)
    {
        InstanceState(order => order.CurrentState);
        Event(() => Placed, e =>
        {
            e.CorrelateById(context => context.Message.Id);
            e.InsertOnInitial = true;
            e.SetSagaFactory(context => new Order { CorrelationId = context.Message.Id, Number = context.Message.Number });
        });
        Event(() => Added, e =>
        {
            e.CorrelateById(context => context.Message.Id);
            e.OnMissingInstance(missing => missing.ExecuteAsync(context => context.Publish(new OrderNotFound(context.Message.Item))));
        });
        Event(() => Asked, e =>
        {
            e.CorrelateBy((order, context) => order.Number == context.Message.Number);
            e.OnMissingInstance(missing => missing.ExecuteAsync(
                context => context.RespondAsync(new OrderNotFound(context.Message.Number))));
        });

        Initially(When(Placed).ThenAsync(context => AddAsync(context, "first", journal)).TransitionTo(Open));
        During(Open,
            When(Placed).ThenAsync(context => AddAsync(context, "again", journal)),
            When(Added).ThenAsync(context => AddAsync(context, context.Message.Item, journal)),
            When(Asked).Respond(context => new OrderDetails(context.Saga.CorrelationId, context.Saga.Items, context.Saga.Lines.Count)));
    }

    public State Open { get; } = null!;

    public Event<OrderPlaced> Placed { get; } = null!;

    public Event<ItemAdded> Added { get; } = null!;

    public Event<GetOrder> Asked { get; } = null!;

    private static async Task AddAsync(BehaviorContext<Order> context, string item, Journal journal)
    {
        journal.Note(item);
        await journal.BeforeChange();
        context.Saga.Items++;
        context.Saga.Lines.Add(new OrderLine { Id = Guid.CreateVersion7(), Item = item });
    }
}

public sealed class OrdersDbContext(DbContextOptions<OrdersDbContext> options) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();

    protected override void OnModelCreating(ModelBuilder modelBuilder) => Map(modelBuilder);

    internal static void Map(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<Order>(order =>
        {
            order.ToTable("Orders");
            order.HasKey(o => o.CorrelationId);
            order.Property(o => o.CorrelationId).ValueGeneratedNever();
            order.HasMany(o => o.Lines).WithOne();
        });
        modelBuilder.Entity<OrderLine>().Property(line => line.Id).ValueGeneratedNever();
        modelBuilder.AddTransactionalOutboxEntities();
    }
}

/// <summary>Maps the same orders with their item count as the concurrency token.</summary>
public sealed class CountedOrdersDbContext(DbContextOptions<CountedOrdersDbContext> options) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        OrdersDbContext.Map(modelBuilder);
        modelBuilder.Entity<Order>().Property(order => order.Items).IsConcurrencyToken();
    }
}
