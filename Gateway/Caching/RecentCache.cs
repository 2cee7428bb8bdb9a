using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace ConcertSaga.Gateway.Caching;

/// <summary>
/// Keeps the recently used entries, at most twice <c>size</c>. After every <c>size</c> additions, it drops the entries that were not read
/// since the previous drop.
/// </summary>
internal sealed class RecentCache<TKey, TValue>(int size)
    where TKey : notnull
{
    private ConcurrentDictionary<TKey, TValue> _new = new();
    private ConcurrentDictionary<TKey, TValue> _old = new();
    private int _added;

    public bool TryGet(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        if (_new.TryGetValue(key, out value))
            return true;
        if (!_old.TryGetValue(key, out value))
            return false;
        Set(key, value);
        return true;
    }

    public void Set(TKey key, TValue value)
    {
        if (Interlocked.Increment(ref _added) > size)
        {
            _old = Interlocked.Exchange(ref _new, new());
            _added = 0;
        }
        _new[key] = value;
    }
}
