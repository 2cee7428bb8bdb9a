using System.Data;
using MassTransit.EntityFrameworkCoreIntegration;

namespace MassTransit.EntityFrameworkCoreIntegration
{
    /// <summary>How the outbox of one context works.</summary>
    /// <typeparam name="TDbContext">The context.</typeparam>
    public sealed class EntityFrameworkOutboxOptions<TDbContext>
    {
        /// <summary>How long an inbox row is kept, and so a repeat recognised.</summary>
        public TimeSpan DuplicateDetectionWindow { get; set; } = TimeSpan.FromMinutes(30);

        /// <summary>How often the delivery loop looks for what was left behind.</summary>
        public TimeSpan QueryDelay { get; set; } = TimeSpan.FromSeconds(1);

        /// <summary>How many outboxes the delivery loop takes at a time.</summary>
        public int QueryMessageLimit { get; set; } = 100;

        /// <summary>How long one query of the loop may take.</summary>
        public TimeSpan QueryTimeout { get; set; } = TimeSpan.FromSeconds(30);

        /// <summary>The isolation of a consumer's transaction.</summary>
        public IsolationLevel IsolationLevel { get; set; } = IsolationLevel.ReadCommitted;

        /// <summary>Whether old inbox rows are removed.</summary>
        public bool InboxCleanup { get; set; } = true;

        /// <summary>Whether this process delivers what was sent outside consumers.</summary>
        public bool BusOutboxDelivery { get; set; } = true;

        /// <summary>
        /// How long delivered messages are kept, to be sent again at the next start. For a transport that forgets when its process ends; zero
        /// otherwise.
        /// </summary>
        public TimeSpan DeliveredRetention { get; set; }

        /// <summary>
        /// How long one delivery may take before another replica, or the sweeper, may try too. Longer than a broker needs to confirm, shorter
        /// than a person's patience.
        /// </summary>
        public TimeSpan DeliveryLease { get; set; } = TimeSpan.FromSeconds(10);
    }
}

namespace MassTransit
{
    /// <summary>Configures the outbox of one context.</summary>
    public interface IEntityFrameworkOutboxConfigurator
    {
        /// <summary>How long an inbox row is kept, and so a repeat recognised. Default 30 minutes.</summary>
        TimeSpan DuplicateDetectionWindow { set; }

        /// <summary>
        /// How often the delivery loop looks for what was left behind; what is committed in this process does not wait for it. Default one
        /// second.
        /// </summary>
        TimeSpan QueryDelay { set; }

        /// <summary>How many outboxes the delivery loop takes at a time. Default 100.</summary>
        int QueryMessageLimit { set; }

        /// <summary>How long one query of the loop may take. Default 30 seconds.</summary>
        TimeSpan QueryTimeout { set; }

        /// <summary>The isolation of a consumer's transaction. Default <see cref="System.Data.IsolationLevel.ReadCommitted"/>.</summary>
        IsolationLevel IsolationLevel { set; }

        /// <summary>
        /// Accepted as documented, and without effect: the outbox takes its rows without row locks, and speaks to each database server in its
        /// own words.
        /// </summary>
        ILockStatementProvider LockStatementProvider { set; }

        /// <summary>
        /// Keeps delivered messages this long and sends them again at the next start, for a transport that forgets when its process ends. Not
        /// part of MassTransit's documentation.
        /// </summary>
        TimeSpan DeliveredRetention { set; }

        /// <summary>Stops the removal of old inbox rows.</summary>
        void DisableInboxCleanupService();

        /// <summary>
        /// Messages published and sent outside a consumer join the context's next save, and reach the broker after its commit. With bus
        /// outboxes of several contexts, each is asked for by its context: <c>[FromKeyedServices(typeof(OrdersDbContext))] IPublishEndpoint</c>.
        /// </summary>
        void UseBusOutbox(Action<IEntityFrameworkBusOutboxConfigurator>? configure = null);
    }

    /// <summary>Configures how what was sent outside consumers is delivered.</summary>
    public interface IEntityFrameworkBusOutboxConfigurator : IBusOutboxConfigurator
    {
        /// <summary>
        /// Accepted as documented, and without effect: an outbox is delivered as a whole, and how many are taken at a time is
        /// <see cref="IEntityFrameworkOutboxConfigurator.QueryMessageLimit"/>.
        /// </summary>
        int MessageDeliveryLimit { set; }

        /// <summary>
        /// How long the delivery of one outbox may take before it is given up and tried again, here or by another replica. Default ten seconds.
        /// </summary>
        TimeSpan MessageDeliveryTimeout { set; }
    }
}
