using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace ConcertSaga.Gateway;

/// <summary>
/// Keeps at most twice as many entries as its size: when that many are new, those that were not asked for since the last time are forgotten.
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
